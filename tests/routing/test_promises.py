"""What may be promised before it is known where a mailbox lives."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

from appliance.routing.promises import Promises
from appliance.routing.snapshot import Snapshot
from appliance.terms import Service


def stores(**services: tuple[Service, ...]) -> Snapshot:
    """As much of a snapshot as promises look at."""
    back_ends = {name: SimpleNamespace(endpoints=dict.fromkeys(offered)) for name, offered in services.items()}
    return cast(Snapshot, SimpleNamespace(back_ends=back_ends))


def test_only_what_every_store_offers() -> None:
    promises = Promises()
    promises.told("alpha", "imap", "IMAP4REV1 IDLE ENABLE")
    promises.told("beta", "imap", "IMAP4REV1 IDLE")
    both = stores(alpha=(Service.IMAP,), beta=(Service.IMAP,))
    assert promises.of(both, Service.IMAP) == {"IMAP4REV1", "IDLE"}


def test_nothing_while_one_store_is_not_known() -> None:
    promises = Promises()
    promises.told("alpha", "imap", "IDLE")
    assert promises.of(stores(alpha=(Service.IMAP,), beta=(Service.IMAP,)), Service.IMAP) == frozenset()
    assert promises.of(stores(), Service.IMAP) == frozenset()


def test_a_store_of_another_service_has_no_say() -> None:
    promises = Promises()
    promises.told("alpha", "imap", "IDLE")
    assert promises.of(stores(alpha=(Service.IMAP,), beta=(Service.POP3,)), Service.IMAP) == {"IDLE"}


def test_what_was_known_holds_while_a_store_is_down() -> None:
    promises = Promises()
    promises.told("alpha", "imap", "IDLE")
    promises.told("alpha", "imap", "")
    assert promises.of(stores(alpha=(Service.IMAP,)), Service.IMAP) == {"IDLE"}
