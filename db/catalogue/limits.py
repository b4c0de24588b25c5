"""Settings of [limits]: the written budget of one node. Names and defaults are those of appliance.terms.Limits."""

from __future__ import annotations

from typing import Final

from db.catalogue.types import Kind, Setting

WEEK: Final = 604_800  # seconds


def _count(
    name: str, default: int, text: str, unit: str = "", minimum: int = 1, maximum: int = 1_000_000
) -> Setting:
    return Setting(
        name=name, type="int", default=default, unit=unit, minimum=minimum, maximum=maximum, scope="node", help=text
    )


def _seconds(name: str, default: float, text: str, minimum: float = 0.1) -> Setting:
    kind = unit = "seconds"
    return Setting(
        name=name, type=kind, default=default, unit=unit, minimum=minimum, maximum=WEEK, scope="node", help=text
    )


LIMITS: Final = Kind(
    name="limits",
    single=True,
    help="What a client may cost before it has logged in, and how patient this node is with stores and guesses.",
    settings=(
        _seconds("preauth_seconds", 60, "How long a client may take in all until it has logged in."),
        _seconds("preauth_read_seconds", 30, "How long a client may stay silent before it has logged in."),
        _count("preauth_commands", 20, "How many commands a client may send before it has logged in."),
        _count("preauth_bytes", 65536, "How much a client may send before it has logged in.", "bytes", maximum=1 << 24),
        _count(
            "preauth_per_address",
            32,
            "How many connections that have not logged in one client address may hold (IPv6: one /64).",
        ),
        Setting(
            name="preauth_share",
            type="number",
            default=0.5,
            minimum=0.01,
            maximum=1,
            scope="node",
            help="The part of all connections that may be without a log-in; the rest is kept for people at work.",
        ),
        _count("connections", 8192, "How many client connections are held at most; each worker takes its equal part."),
        _count(
            "sessions_per_address",
            0,
            "How many sessions one client address (IPv6: one /64) may have at all services together; 0: any number.",
            minimum=0,
        ),
        _count(
            "sessions_per_account",
            100,
            "How many sessions one mailbox may have at all services together; 0: any number.",
            minimum=0,
        ),
        _count("attempts", 4, "How many failed log-ins a connection survives."),
        _seconds("connect_seconds", 10, "How long a store may take to accept a connection."),
        _seconds("login_seconds", 30, "How long a store may take from there until the log-in is done."),
        Setting(
            name="retries",
            type="int",
            default=3,
            minimum=0,
            maximum=10,
            scope="node",
            help="How often a store that could not be reached is tried again before the client is told.",
        ),
        _seconds("retry_pause", 1, "How long to wait between two such tries.", 0),
        _seconds("idle_seconds", 2100, "How long a session may be silent in both directions (RFC 9051: 30 minutes)."),
        _count("breaker_failures", 5, "After how many failures in a row a store counts as down."),
        _count("breaker_clients", 2, "How many different clients must have met these failures."),
        _seconds("breaker_seconds", 30, "How long it then counts as down before it is tried again."),
        _seconds("failure_delay", 2, "How long the answer to a first wrong password is held back; it then doubles.", 0),
        _seconds("failure_delay_max", 15, "How long the answer to a wrong password is held back at most.", 0),
        _count("hash_threads", 2, "How many password hashes one worker computes at a time.", maximum=64),
        _count("hash_queue", 64, "How many log-ins may wait for that; one more is told to try later."),
        _seconds(
            "success_cache_seconds",
            300,
            "How long a password that was right need not be hashed again. A change of the password ends it at once.",
            0,
        ),
        _seconds("probe_seconds", 10, "How often each store is asked whether it lives."),
        _seconds("drain_seconds", 30, "How long open sessions may go on when the node is stopped.", 0),
    ),
)
