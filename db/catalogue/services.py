"""Settings of the services and of the certificates that they show. Data only."""

from __future__ import annotations

from typing import Final

from db.catalogue.backend import TLS
from db.catalogue.types import Kind, Setting

_ENABLED: Final = Setting(name="enabled", type="bool", default=True, help="Whether this service is offered at all.")
_CLEAR_FROM: Final = Setting(
    name="clear_login_from",
    type="networks",
    default=[],
    help="Networks whose clients may log in without TLS. Leave it empty wherever a password crosses a wire.",
)
_PROXY_FROM: Final = Setting(
    name="proxy_protocol_from",
    type="trusted-networks",
    default=[],
    help="Networks of load balancers: connections from there must begin with a PROXY header, which names the client. "
    "The whole internet is refused here: anybody could claim any address.",
)
_MAP: Final = Setting(
    name="map",
    type="refs",
    refers="map",
    default=["people"],
    help="The maps that say where a user lives, asked in this order. The first one with an answer counts; one that "
    "cannot be asked stops the chain.",
)


def _listen(name: str, default: list[str], text: str) -> Setting:
    return Setting(name=name, type="listen", default=default, scope="node", help=text)


_CLEAR: Final = "Addresses for connections that begin in clear and turn to TLS by STARTTLS, like [::]:%s."
_IMPLICIT: Final = "Addresses for connections that are TLS from the first octet, like [::]:%s (both IPv4 and IPv6)."


def _session_service(name: str, words: str, clear: tuple[str, bool], implicit: tuple[str, bool]) -> Kind:
    """IMAP, POP3 and ManageSieve have the same settings; port, and whether it is open unless something else is set."""
    return Kind(
        name=name,
        single=True,
        help=f"{words} sessions, passed on to the store where the user lives.",
        settings=(
            _ENABLED,
            _listen("listen", [f"[::]:{clear[0]}"] if clear[1] else [], _CLEAR % clear[0]),
            _listen("listen_tls", [f"[::]:{implicit[0]}"] if implicit[1] else [], _IMPLICIT % implicit[0]),
            _CLEAR_FROM,
            _PROXY_FROM,
            _MAP,
            Setting(
                name="failover",
                type="target",
                refers="backend",
                help="Where users live whom no map knows: a back-end, or HOST:PORT. Empty: they are refused.",
            ),
        ),
    )


IMAP: Final = _session_service("imap", "IMAP", ("143", False), ("993", True))
POP3: Final = _session_service("pop3", "POP3", ("110", False), ("995", True))
SIEVE: Final = _session_service("sieve", "ManageSieve", ("4190", True), ("5190", False))

SMTP: Final = Kind(
    name="smtp",
    single=True,
    help="Mail from other servers, and what becomes of it.",
    settings=(
        _ENABLED,
        Setting(
            name="mode",
            type="choice",
            default="routing",
            choices=("routing", "local"),
            help="Whether each recipient's own store gets the mail, or the store of this node gets all of it.",
        ),
        _listen("listen", ["[::]:25"], _CLEAR % "25"),
        _MAP,
        Setting(
            name="relay",
            type="relay",
            default="mx",
            help="How mail for other domains leaves: straight to their MX, through a smart host HOST:PORT, or none.",
        ),
        Setting(name="relay_user", type="text", help="The user to log in as at the smart host. Empty: no log-in."),
        Setting(
            name="relay_password_file",
            type="secret",
            file=True,
            secret=True,
            help="The file with that user's password.",
        ),
        Setting(
            name="relay_tls",
            type="choice",
            default="starttls",
            choices=TLS,
            help="How the connection to the smart host is protected.",
        ),
        Setting(
            name="relay_networks",
            type="trusted-networks",
            default=[],
            help="Networks that may send anywhere without logging in. The whole internet and this cluster's own "
            "addresses are refused here.",
        ),
        Setting(
            name="when_down",
            type="choice",
            default="queue",
            choices=("queue", "defer"),
            help="While a recipient's store cannot be reached: keep the mail and try again, or ask the sender to.",
        ),
        Setting(
            name="policy",
            type="content",
            file=True,
            help="The file with the rules that decide on each message. Empty: everything is accepted that is ours.",
        ),
        Setting(
            name="max_message_size",
            type="size",
            default="50 MiB",
            unit="bytes",
            minimum=1024,
            help="The largest message that is accepted.",
        ),
    ),
)

SUBMISSION: Final = Kind(
    name="submission",
    single=True,
    help="Mail from our own people, after they logged in.",
    settings=(
        _ENABLED,
        _listen("listen", [], _CLEAR % "587"),
        _listen("listen_tls", ["[::]:465"], _IMPLICIT % "465"),
        _CLEAR_FROM,
        Setting(
            name="map",
            type="refs",
            refers="map",
            default=[],
            help="The maps that say where a user lives. Empty: the ones of imap.",
        ),
    ),
)

WEBMAIL: Final = Kind(
    name="webmail",
    single=True,
    help="Mail in the browser.",
    settings=(_ENABLED, _listen("listen_tls", ["[::]:443"], _IMPLICIT % "443")),
)

CONSOLE: Final = Kind(
    name="console",
    single=True,
    help="The administrators' terminal, reached by SSH.",
    settings=(_ENABLED, _listen("listen", ["[::]:2222"], "Addresses of the console's SSH server, like [::]:2222.")),
)

METRICS: Final = Kind(
    name="metrics",
    single=True,
    help="Figures for Prometheus.",
    settings=(
        _listen("listen", ["127.0.0.1:9153"], "Addresses where the figures are served, in clear. Empty: nowhere."),
    ),
)

CERTIFICATE: Final = Kind(
    name="certificate",
    named_by="names",
    help="A certificate and its key, shown to clients that ask for one of its names.",
    settings=(
        Setting(
            name="names",
            type="names",
            default=["*"],
            required=True,
            help='The host names that it is shown for (SNI). "*" shows it to everyone that no other one fits.',
        ),
        Setting(
            name="certificate",
            type="pem",
            file=True,
            required=True,
            help="The file with the certificate and what leads from it to its authority (PEM).",
        ),
        Setting(
            name="key",
            type="secret",
            file=True,
            secret=True,
            required=True,
            help="The file with its private key (PEM).",
        ),
    ),
)
