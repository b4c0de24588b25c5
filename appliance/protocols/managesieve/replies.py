"""What ManageSieve clients are told: each refusal's response code (RFC 5804, 1.3) and words, and every fixed line.

Data only. The words for who is unknown, unmapped, disabled, banned or wrong must stay one and the same (CWE-203).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from appliance.terms import Refusal

_FAILED: Final = (b"", b"Authentication failed.")

REFUSALS: Final[dict[Refusal, tuple[bytes, bytes]]] = {
    Refusal.BAD_CREDENTIALS: _FAILED,
    Refusal.UNKNOWN_HERE: _FAILED,
    Refusal.DISABLED: _FAILED,
    Refusal.BANNED: _FAILED,
    Refusal.NOT_PERMITTED: (b"", b"You may not act as that user."),
    Refusal.EXPIRED: (b"", b"The password has expired."),
    Refusal.TLS_REQUIRED: (b"ENCRYPT-NEEDED", b"Log in over TLS only."),
    Refusal.BACKEND_DOWN: (b"TRYLATER", b"Your mail store cannot be reached now, try again later."),
    Refusal.BACKEND_REFUSED: (b"TRYLATER", b"Your mail store does not let us log in now, try again later."),
    Refusal.MISCONFIGURED: (b"", b"The way to your mail store is misconfigured, tell your administrator."),
    Refusal.LIMIT: (b"TRYLATER", b"Too many connections or attempts, try again later."),
    Refusal.TRY_LATER: (b"TRYLATER", b"Temporary failure, try again later."),
    Refusal.LOOP: (b"", b"The way to your mail store leads in a circle, tell your administrator."),
}


def no(code: bytes, words: bytes) -> bytes:
    """A refusal's line."""
    return b'NO (%b) "%b"\r\n' % (code, words) if code else b'NO "%b"\r\n' % words


REFUSED: Final = {refusal: no(*told) for refusal, told in REFUSALS.items()}

DONE: Final = b'OK "Done"\r\n'
BEGIN_TLS: Final = b'OK "Begin TLS"\r\n'
LOGGED_OUT: Final = b'OK "Logging out"\r\n'
NO_MECHANISM: Final = b"Mechanism not supported"
KICKED: Final = b'BYE "This session was ended by an administrator"\r\n'
TURNED_AWAY: Final = b'BYE (TRYLATER) "Too busy, try again later"\r\n'  # to whom has not logged in
TOO_MANY_COMMANDS: Final = b'BYE "Too many commands before log-in"\r\n'
TOO_MANY_ATTEMPTS: Final = b'BYE "Too many failed attempts"\r\n'
LINE_TOO_LONG: Final = b'BYE "Line too long"\r\n'
TOO_BIG: Final = b'BYE "Literal too big"\r\n'
BAD_LITERAL: Final = b'BYE "Malformed literal"\r\n'

# Said while the stores share no extension, or none has been asked yet: the line must be there (RFC 5804, 1.7), and a
# store of scripts that could not even file a message would be of no use (RFC 5228, 4.1).
UNASKED: Final = ["fileinto"]
# Of what every store offers, these lines are passed on. Never UNAUTHENTICATE: it would leave the pipe at its store.
PASSED_ON: Final = ("SIEVE", "NOTIFY", "MAXREDIRECTS")


@lru_cache(64)
def capabilities(hostname: str, starttls: bool, may_log_in: bool, promised: frozenset[str] = frozenset()) -> bytes:
    """The block that greets, follows STARTTLS and answers CAPABILITY. `promised` holds words like "SIEVE=vacation"."""
    lines = ['"IMPLEMENTATION" "Postern"']
    for name in PASSED_ON:
        words = sorted(word[len(name) + 1 :] for word in promised if word.startswith(name + "="))
        if words or name == "SIEVE":
            lines.append(f'"{name}" "{" ".join(words or UNASKED)}"')
    lines.append('"SASL" "PLAIN LOGIN"' if may_log_in else '"SASL" ""')
    if starttls:
        lines.append('"STARTTLS"')
    lines += ['"VERSION" "1.0"', f'OK "{hostname} ready"', ""]
    return "\r\n".join(lines).encode("ascii", "replace")
