"""A certificate authority of a test run, as files: what servers present and clients verify by."""

from __future__ import annotations

import hashlib
import ssl
from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True)
class Certificate:
    """A certificate with its chain, and its key, in files."""

    chain: Path
    key: Path

    @property
    def pin(self) -> str:
        """What `tls_pin` takes: the SHA-256 of the certificate."""
        der = ssl.PEM_cert_to_DER_cert(self.chain.read_text().split("-----END", 1)[0] + "-----END CERTIFICATE-----\n")
        return f"sha256:{hashlib.sha256(der).hexdigest()}"


class Authority:
    """Issues certificates into a folder."""

    def __init__(self, folder: Path) -> None:
        self._ca = trustme.CA()
        self._folder = folder
        self.file = folder / "ca.pem"
        self._ca.cert_pem.write_to_path(str(self.file))

    def issue(self, *names: str) -> Certificate:
        """A certificate for host names and addresses, and for localhost; a new one each time."""
        issued = self._ca.issue_cert(*names, "localhost", common_name=names[0])  # fetchmail wants one
        stem = f"{names[0]}-{len(list(self._folder.iterdir()))}"
        made = Certificate(self._folder / f"{stem}.pem", self._folder / f"{stem}.key")
        made.chain.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        made.key.write_bytes(issued.private_key_pem.bytes())
        return made

    def client(self) -> ssl.SSLContext:
        """A client's context that trusts this authority alone."""
        return ssl.create_default_context(cafile=str(self.file))
