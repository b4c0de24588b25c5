"""Refused log-ins: one text for all that a stranger must not tell apart, other words for what is no secret."""

from __future__ import annotations

import pytest

from tests.node.conftest import NewNode
from tests.services.node import Node
from tests.services.people import MARIA, NOBODY, OTTO, WRONG
from tests.services.talk import Talk

NO = b"tag NO [AUTHENTICATIONFAILED]"


def verdict(node: Node, name: str, password: str, authzid: str = "") -> bytes:
    """The last line of a log-in attempt over the clear listener."""
    with Talk(node.host, node.imap) as talk:
        talk.line()
        return talk.plain(name, password, authzid)[-1]


def test_wrong_unknown_and_unmapped_sound_the_same(node: Node) -> None:
    answers = {verdict(node, MARIA.address, WRONG), verdict(node, "who@example.test", WRONG), verdict(node, *NOBODY),
               verdict(node, "who@elsewhere.test", WRONG), verdict(node, "who", WRONG)}
    assert len(answers) == 1
    assert answers.pop().startswith(NO)


def test_login_and_authenticate_refuse_alike(node: Node) -> None:
    with Talk(node.host, node.imap) as talk:
        talk.line()
        told = talk.ask(f"LOGIN {MARIA.address} {WRONG}".encode())
    assert told[-1] == verdict(node, MARIA.address, WRONG)


def test_internal_accounts_disabled_and_banned_sound_the_same(new_node: NewNode) -> None:
    node = new_node(auth={"method": "internal"})
    node.start()
    for who in (MARIA, OTTO):
        node.cli("account", "add", who.address, stdin=f"{who.password}\n{who.password}\n")
    assert verdict(node, *MARIA).startswith(b"tag OK")
    wrong = verdict(node, MARIA.address, WRONG)
    assert wrong.startswith(NO)
    node.cli("account", "disable", OTTO.address)
    assert verdict(node, *OTTO) == wrong
    node.cli("account", "enable", OTTO.address)
    assert verdict(node, *OTTO).startswith(b"tag OK")
    node.cli("ban", "add", OTTO.address)
    assert verdict(node, *OTTO) == wrong
    node.cli("ban", "lift", OTTO.address)
    assert verdict(node, *OTTO).startswith(b"tag OK")
    node.cli("account", "password", MARIA.address, stdin=f"{WRONG}\n{WRONG}\n")
    assert verdict(node, *MARIA) == wrong, "the old password went on working"


def test_another_mailbox_needs_permission(node: Node) -> None:
    assert verdict(node, *MARIA, authzid=OTTO.address).startswith(b"tag NO [AUTHORIZATIONFAILED]")
    assert verdict(node, *MARIA, authzid=MARIA.address).startswith(b"tag OK")


def test_no_log_in_without_tls(new_node: NewNode) -> None:
    node = new_node()
    node.configuration["imap"]["clear_login_from"] = []
    node.apply()
    node.start()
    with Talk(node.host, node.imap) as talk:
        greeting = talk.line()
        assert b"LOGINDISABLED" in greeting and b"AUTH=PLAIN" not in greeting
        assert talk.ask(f"LOGIN {MARIA.address} {MARIA.password}".encode())[-1].startswith(b"tag NO [PRIVACYREQUIRED]")
        assert talk.ask(b"STARTTLS")[-1].startswith(b"tag OK")
        talk.secure(node.tls_context())
        assert talk.plain(*MARIA)[-1].startswith(b"tag OK")


def test_too_many_tries_end_the_connection(node: Node) -> None:
    with Talk(node.host, node.imap) as talk:
        talk.line()
        told = [talk.plain(MARIA.address, WRONG)[-1] for _ in range(4)]
        assert all(line.startswith(NO) for line in told)
        assert b"BYE" in talk.rest()


def test_too_many_without_log_in_push_out_their_own_oldest(new_node: NewNode) -> None:
    node = new_node(limits={"preauth_per_address": 2, "failure_delay": 0, "drain_seconds": 5})
    node.start(POSTERN_WORKERS="1")
    elsewhere = Talk(node.host, node.imap, source="127.0.0.77")
    oldest, younger, newest = (Talk(node.host, node.imap) for _ in range(3))
    assert all(talk.line().startswith(b"* OK") for talk in (elsewhere, oldest, younger, newest))
    assert oldest.rest().startswith(b"* BYE")
    for talk in (elsewhere, younger, newest):
        assert talk.plain(*MARIA)[-1].startswith(b"tag OK")


def test_a_failed_guess_is_held_back(new_node: NewNode) -> None:
    node = new_node(limits={"failure_delay": 0.5, "failure_delay_max": 1, "drain_seconds": 5})
    node.start()
    with Talk(node.host, node.imap) as slow, Talk(node.host, node.imap, source="127.0.0.78") as quick:
        assert slow.line() and quick.line()
        slow.send(b"a LOGIN " + f"{MARIA.address} {WRONG}".encode() + b"\r\n")
        slow.socket.settimeout(0.3)
        with pytest.raises(TimeoutError):
            slow.line()
        assert quick.plain(*OTTO)[-1].startswith(b"tag OK"), "another person had to wait"
