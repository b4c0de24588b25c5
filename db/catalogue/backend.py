"""Settings of a back-end: a mail store, how it is reached and how we log in there. Data only."""

from __future__ import annotations

from typing import Final

from db.catalogue.types import Kind, Setting

PROTOCOLS: Final = ("imap", "pop3", "sieve", "smtp", "lmtp")
TLS: Final = ("none", "starttls", "implicit")

BACKEND: Final = Kind(
    name="backend",
    named_by="name",
    help="A mail store. The one that is named like a node lives on that node.",
    settings=(
        *(
            Setting(
                name=protocol,
                type="endpoint",
                help=f"Where this store speaks {protocol}, as HOST:PORT, at the address that all nodes can reach. "
                "Empty: it does not.",
            )
            for protocol in PROTOCOLS
        ),
        Setting(
            name="local",
            type="endpoints",
            default={},
            choices=PROTOCOLS,
            scope="node",
            help='Addresses used instead on the node of the same name, per protocol: { imap = "127.0.0.1:10143" }.',
        ),
        Setting(
            name="tls",
            type="choice",
            default="none",
            choices=TLS,
            help="How connections to this store are protected. With starttls and implicit its certificate is verified.",
        ),
        *(
            Setting(
                name=f"{protocol}_tls",
                type="choice",
                choices=("", *TLS),
                help=f"The same for {protocol} alone. Empty: as `tls` says.",
            )
            for protocol in PROTOCOLS
        ),
        Setting(
            name="tls_name",
            type="text",
            help="The name that the store's certificate must carry. Empty: the host of its address.",
        ),
        Setting(
            name="tls_ca",
            type="pem",
            file=True,
            help="Certificates (PEM) of the authorities that may vouch for this store. Empty: those of the system.",
        ),
        Setting(
            name="tls_pin",
            type="pin",
            help="The store's one certificate, as sha256: and 64 hexadecimal digits. Where it is set, name and "
            "authority no longer matter.",
        ),
        Setting(
            name="client_address",
            type="choice",
            default="none",
            choices=("none", "native", "proxy-v2"),
            help="How the store learns the client's address: by the protocol's own means (IMAP ID, XCLIENT) where it "
            "offers them, by a PROXY header before anything else, or not at all.",
        ),
        Setting(
            name="login",
            type="choice",
            default="replay",
            choices=("replay", "master"),
            help="Whether the client's own password is used there too, or a master user logs in on its behalf.",
        ),
        Setting(
            name="login_name",
            type="template",
            default="{address}",
            choices=("address", "local", "domain"),
            help="The name by which the store knows a mailbox; {address}, {local} and {domain} stand for its parts.",
        ),
        Setting(name="master_user", type="text", help="The user that may log in as any other, for `login = master`."),
        Setting(
            name="master_password_file",
            type="secret",
            file=True,
            secret=True,
            help="The file with the master user's password.",
        ),
        Setting(
            name="standby",
            type="ref",
            refers="backend",
            help="A back-end with a copy of the mail, which serves sessions while this one is down. Empty: none.",
        ),
        Setting(
            name="standby_delivers",
            type="bool",
            default=False,
            help="Whether the standby also takes mail while this one is down.",
        ),
        Setting(
            name="state",
            type="choice",
            default="on",
            choices=("on", "drain"),
            help="With drain no new session is sent there, as if it were down; sessions that are open go on.",
        ),
        Setting(
            name="send_password_file",
            type="secret",
            file=True,
            secret=True,
            help="The file with the password by which this store may hand in mail of its own (vacation, redirects, "
            "lists) on submission, as the user store:NAME. Empty: it may not.",
        ),
    ),
)
