"""What a TLS certificate says, whether it will serve, and the self-signed one that a new node begins with.

Pure: PEM texts in, facts and sentences out. Names are matched as clients do (RFC 6125 6.4, RFC 9525): by subject
alternative name alone, a wildcard standing for one left-most label.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.x509.oid import NameOID

WARN_DAYS = 21  # a renewal that has not happened by then will not happen by itself
SELF_SIGNED_DAYS = 3650


class Facts(msgspec.Struct, frozen=True):
    """What `cert list` shows of one."""

    subject: str
    issuer: str
    names: list[str]
    begins: datetime
    ends: datetime
    key: str

    def days_left(self, now: datetime) -> int:
        """Whole days until it expires; negative when it has."""
        return (self.ends - now).days


def facts(pem: str) -> Facts:
    """Of the first certificate in the text. Raises ValueError with a sentence."""
    leaf = chain_of(pem)[0]
    return Facts(
        subject=_name(leaf.subject),
        issuer="itself" if leaf.subject == leaf.issuer else _name(leaf.issuer),
        names=_alternative_names(leaf),
        begins=leaf.not_valid_before_utc,
        ends=leaf.not_valid_after_utc,
        key=_key_kind(leaf),
    )


def chain_of(pem: str) -> list[x509.Certificate]:
    """All certificates in the text, the server's own first. Raises ValueError with a sentence."""
    try:
        return x509.load_pem_x509_certificates(pem.encode())
    except ValueError:
        raise ValueError("it is no certificate in PEM form (-----BEGIN CERTIFICATE-----)") from None


def key_of(pem: str) -> PrivateKeyTypes:
    """The private key. Raises ValueError with a sentence that never quotes it."""
    try:
        return serialization.load_pem_private_key(pem.encode(), password=None)
    except TypeError:
        raise ValueError("the key is encrypted; write it without a passphrase, readable by root alone") from None
    except ValueError:
        raise ValueError("it is no private key in PEM form (-----BEGIN PRIVATE KEY-----)") from None


def unfit(certificate: str, key: str) -> list[str]:
    """Why no server could load this pair; empty if it can, whatever clients will think of it."""
    try:
        chain, private = chain_of(certificate), key_of(key)
    except ValueError as error:
        return [str(error)]
    return [] if _public(private) == _public(chain[0]) else ["the key belongs to another certificate"]


def problems(certificate: str, key: str, names: Sequence[str], now: datetime) -> list[str]:
    """Why this pair cannot serve these names well: nothing that clients do with it is allowed to be a surprise."""
    if found := unfit(certificate, key):
        return found
    chain = chain_of(certificate)
    leaf, served = chain[0], _alternative_names(chain[0])
    if now > leaf.not_valid_after_utc:
        found.append(f"it expired on {leaf.not_valid_after_utc:%Y-%m-%d}")
    if now < leaf.not_valid_before_utc:
        found.append(f"it is not valid before {leaf.not_valid_before_utc:%Y-%m-%d %H:%M} UTC")
    for name in names:
        if not _serves(served, name):
            found.append(f"it is not for {name} (but for {', '.join(served) or 'no name'})")
    return found + _chain_problems(chain)


def _chain_problems(chain: Sequence[x509.Certificate]) -> list[str]:
    """Each certificate must be signed by the next one (RFC 8446 4.4.2): clients do not all sort."""
    for number, (lower, upper) in enumerate(pairwise(chain), start=1):
        try:
            lower.verify_directly_issued_by(upper)
        except (ValueError, TypeError, InvalidSignature):
            return [f"certificate {number} in it is not signed by the next one ({_name(upper.subject)})"]
    return []


def self_signed(host: str, names: Sequence[str], now: datetime) -> tuple[str, str]:
    """A new P-256 key and a certificate by itself, for these names: (certificate, key) as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    # A common name longer than 64 is refused by X.520; clients look at the alternative names.
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host[:64])])
    alternatives = x509.SubjectAlternativeName([_general_name(name) for name in dict.fromkeys(names)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))  # clients whose clocks are a little behind
        .not_valid_after(now + timedelta(days=SELF_SIGNED_DAYS))
        .add_extension(alternatives, critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    )
    certificate = builder.sign(key, hashes.SHA256())
    return certificate.public_bytes(serialization.Encoding.PEM).decode(), _key_pem(key)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _public(holder: PrivateKeyTypes | x509.Certificate) -> bytes:
    return holder.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _serves(served: Sequence[str], name: str) -> bool:
    wanted = name.lower()
    wildcard = "*." + wanted.partition(".")[2]
    return name == "*" or any(one.lower() in (wanted, wildcard) for one in served)


def _alternative_names(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return []
    addresses = [str(address) for address in names.get_values_for_type(x509.IPAddress)]
    return [*names.get_values_for_type(x509.DNSName), *addresses]


def _key_kind(certificate: x509.Certificate) -> str:
    key = certificate.public_key()
    if isinstance(key, ec.EllipticCurvePublicKey):
        return key.curve.name
    return f"{type(key).__name__.strip('_').removesuffix('PublicKey').lower()} {getattr(key, 'key_size', '')}".strip()


def _name(name: x509.Name) -> str:
    common = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(common[0].value) if common else name.rfc4514_string()


def now_utc() -> datetime:
    """The time, as certificates tell it."""
    return datetime.now(UTC)
