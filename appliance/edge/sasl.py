"""SASL, the part a front-end needs: PLAIN (RFC 4616) and LOGIN (draft-murchison-sasl-login) in, PLAIN out.

Pure: octets in, values out. Must never let a name through that could act as something else later on, in a log, a
directory filter or another protocol's line: a name is printable text without quotes or inner white space.
"""

from __future__ import annotations

from binascii import Error, a2b_base64, b2a_base64
from typing import Final

from appliance.terms import Credentials, Secret

RESPONSE: Final = 12288  # octets of base64 in one response (RFC 4954 section 4 asks for as many)
NAME: Final = 512
PASSWORD: Final = 4096

USERNAME_PROMPT: Final = b"VXNlcm5hbWU6"  # "Username:", what LOGIN's clients wait for
PASSWORD_PROMPT: Final = b"UGFzc3dvcmQ6"  # "Password:"

_NUL: Final = 0x00


class Malformed(ValueError):  # noqa: N818 - a fact about a peer
    """A response that does not follow its mechanism; the message is safe to tell the client."""


class BadName(Malformed):
    """A name that no mailbox may have: to be told as a failed log-in, since people do mistype names."""


def decode(response: bytes) -> bytes:
    """The octets of one base64 response; `=` is an empty initial response (RFC 9051, 6.2.2). Raises Malformed."""
    if response == b"=":
        return b""
    if len(response) > RESPONSE:
        raise Malformed("response too long")
    try:
        return a2b_base64(response, strict_mode=True)
    except (Error, ValueError):
        raise Malformed("invalid base64") from None


def plain(message: bytes) -> Credentials:
    """The credentials in a decoded PLAIN message. Raises Malformed, BadName."""
    fields = message.split(b"\0")
    if len(fields) != 3:
        raise Malformed("PLAIN has three fields, separated by NUL")
    return credentials(fields[1], fields[2], fields[0])


def credentials(name: bytes, password: bytes, authzid: bytes = b"", mechanism: str = "PLAIN") -> Credentials:
    """Checked credentials. An `authzid` that repeats the name asks for nothing. Raises Malformed, BadName."""
    if len(password) > PASSWORD or _NUL in password:
        raise Malformed("unusable password")
    user = checked_name(name)
    other = checked_name(authzid) if authzid and authzid != name else ""
    return Credentials(user, Secret(password), other, mechanism)


def checked_name(octets: bytes) -> str:
    """The name as typed, spaces at its ends included. Raises BadName; Malformed if it is not UTF-8.

    Letters beyond ASCII are welcome; control and invisible characters, quotes and inner spaces are not.
    """
    bare = octets.strip(b" ")
    if not bare or len(octets) > NAME:
        raise BadName("a name is needed" if not bare else "name too long")
    try:
        text = bare.decode()
    except UnicodeDecodeError:
        raise Malformed("a name is UTF-8") from None
    if not text.isprintable() or " " in text or '"' in text:
        raise BadName("character not allowed in a name")
    return text if len(bare) == len(octets) else octets.decode()


def encode_plain(authzid: str, authcid: str, password: Secret) -> bytes:
    """A PLAIN message in base64. `authzid` is left out when it is the authcid."""
    other = authzid if authzid != authcid else ""
    message = b"%b\0%b\0%b" % (other.encode(), authcid.encode(), password.reveal())
    return b2a_base64(message, newline=False)
