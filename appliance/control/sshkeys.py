"""Public keys of administrators, in OpenSSH's form: read by asyncssh, which the console's server uses as well.

Must never take a private key, nor keep what is written around a key but its comment. RFC 4716, RFC 5656, RFC 8709.
"""

from __future__ import annotations

from typing import Final

from appliance.control.api import Refused

LONGEST: Final = 16 * 1024  # octets
LEAST_RSA: Final = 2048  # bits
COMMENT: Final = 100  # characters


def parsed(text: str) -> dict[str, str]:
    """{key: "algorithm base64", fingerprint: "SHA256:...", comment}. Raises Refused."""
    import asyncssh  # 0.2 s and 30 MB: only who adds a key pays for it

    text = text.strip()
    if "PRIVATE KEY" in text:
        raise Refused("this is a private key, which nobody else may see: give the file beside it that ends in .pub")
    if not text or len(text.encode()) > LONGEST or "\n" in text:
        raise Refused("this is not one public key: one line like `ssh-ed25519 AAAA... maria`, as in a .pub file")
    try:
        key = asyncssh.import_public_key(text.encode())
        algorithm, comment = key.get_algorithm(), key.get_comment() or ""
        size = getattr(key.pyca_key, "key_size", 0)
    except ValueError:
        raise Refused("this is no public key in OpenSSH's form: `ssh-ed25519 AAAA...`, as in a .pub file") from None
    if algorithm == "ssh-dss":
        raise Refused("DSA keys are broken: make another one by `ssh-keygen -t ed25519`")
    if algorithm == "ssh-rsa" and size < LEAST_RSA:
        raise Refused(f"this RSA key has {size} bits, too few: make another one by `ssh-keygen -t ed25519`")
    words = key.export_public_key().decode().split()
    plain = "".join(char for char in comment if char.isprintable())
    return {"key": " ".join(words[:2]), "fingerprint": key.get_fingerprint(), "comment": plain[:COMMENT]}


def same(stored: str, offered: str) -> bool:
    """Whether the key that a client offers is a stored one, whatever is written behind it."""
    return stored.split() == offered[: 2 * LONGEST].split()[:2]
