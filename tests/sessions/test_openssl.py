"""What OpenSSL is asked to do in the sessions role, beside what the system's configuration says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SUITES = """
import appliance.sessions, ssl
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
print(*[cipher["name"] for cipher in context.get_ciphers() if cipher["protocol"] == "TLSv1.3"])
"""


def suites(**environment: str) -> list[str]:
    """TLS 1.3's suites, the preferred one first, of a process that begins as a sessions role does."""
    clean = {name: value for name, value in os.environ.items() if name != "OPENSSL_CONF"}
    done = subprocess.run([sys.executable, "-c", SUITES], capture_output=True, text=True, check=True,
                          env={**clean, **environment}, cwd=Path(__file__).parents[2])  # fmt: skip
    return done.stdout.split()


def test_the_suite_that_costs_least_comes_first() -> None:
    first, *others = suites()
    assert first == "TLS_AES_128_GCM_SHA256"
    assert set(others) == {"TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}


def test_the_administrator_s_own_configuration_holds(tmp_path: Path) -> None:
    own = tmp_path / "own.cnf"
    own.write_text(
        "openssl_conf = a\n[a]\nssl_conf = b\n[b]\nsystem_default = c\n[c]\nCiphersuites = TLS_AES_256_GCM_SHA384\n"
    )
    assert suites(OPENSSL_CONF=str(own)) == ["TLS_AES_256_GCM_SHA384"]
