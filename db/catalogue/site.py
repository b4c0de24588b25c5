"""Settings of the site as a whole, and what differs between its nodes. Data only."""

from __future__ import annotations

from typing import Final

from db.catalogue.types import Kind, Setting

SITE: Final = Kind(
    name="site",
    single=True,
    help="What holds for all nodes: our domains, and how a log-in name becomes a mailbox address.",
    settings=(
        Setting(
            name="domains",
            type="domains",
            default=[],
            help="The domains whose mail is ours. Mail for them is never relayed elsewhere, and a recipient here that "
            "no map knows is refused with 550 5.1.1.",
        ),
        Setting(
            name="default_domain",
            type="domain",
            help="Appended to a log-in name that has no domain. Empty: such a name is looked up as it was typed.",
        ),
        Setting(
            name="recipient_delimiter",
            type="delimiter",
            default="+",
            help="Separates a tag from the mailbox name: with + an address user+tag finds user, unless user+tag itself "
            "is in the map. Empty: no tags.",
        ),
        Setting(
            name="aliases",
            type="aliases",
            default={},
            help="Domains that stand for another: old name to new name. Applied before any look-up.",
        ),
    ),
)

NODE: Final = Kind(
    name="node",
    help="What one node does differently from the others: the addresses on which it listens, nothing else.",
    settings=tuple(
        Setting(
            name=service,
            type="listeners",
            default={},
            scope="node",
            choices=keys,
            help=f"The addresses on which this node listens for {service}, in place of those that all nodes use. "
            "A list that is not named here stays as it is for all.",
        )
        for service, keys in (
            ("imap", ("listen", "listen_tls")),
            ("pop3", ("listen", "listen_tls")),
            ("sieve", ("listen", "listen_tls")),
            ("smtp", ("listen",)),
            ("submission", ("listen", "listen_tls")),
            ("webmail", ("listen_tls",)),
            ("console", ("listen",)),
            ("metrics", ("listen",)),
        )
    ),
)
