"""The first run: what is found, what is open, what a log-in that fails says. Its whole story is told before a node."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from appliance.control.api import Refused, Request
from appliance.control.api.admins import AdminList
from appliance.control.api.backends import BackendAdd, BackendCheck, BackendFind, BackendList
from appliance.control.api.certificates import CertList
from appliance.control.api.console import ConsoleWho
from appliance.control.api.maps import MapList
from appliance.control.api.services import ServiceList, ServiceSet, ServiceShow
from tests.services.ports import free_port
from tests.services.scripted import GREETING, Scripted
from tests.tui.configured import CERTIFICATES, EVIL, configured, fill, service, setting
from tests.tui.example import OVERVIEW
from tests.tui.fake import WHO, Answer, FakeNode
from tests.tui.stage import Stage, play
from tui.firststeps import Known, steps
from tui.trylogin import NoWay, listener, log_in

EMPTY = {**OVERVIEW, "backends": []}
FOUND = [{"service": "imap", "address": "127.0.0.1:10143", "tls": "none", "tls_pin": "",
          "greeting": f"* OK [CAPABILITY IMAP4rev1] Dovecot{EVIL} ready."}]  # fmt: skip


def shown(request: ServiceShow) -> dict[str, Any]:
    """Nothing is set."""
    rows = {"site": [setting("domains", [])], "auth": [setting("method", "internal")]}
    return {"name": request.name, "settings": rows[request.name]}


def empty(more: dict[type[Request], Answer] | None = None) -> FakeNode:
    """A node on which nothing was done."""
    answers: dict[type[Request], Answer] = {
        ServiceShow: shown, BackendList: [], BackendFind: FOUND, MapList: [], AdminList: [],
        CertList: [{**CERTIFICATES[0], "own": True}],
    }  # fmt: skip
    return configured({**answers, **(more or {})}, overview=EMPTY)


def test_a_node_without_a_store_begins_with_the_questions() -> None:
    async def story(stage: Stage) -> None:
        text = await stage.sees("Seven questions", "0 of 7", "found at 127.0.0.1:10143: Dovecot\\x1b]52", "nobody yet")
        assert "\x1b" not in text
        await stage.press("escape")
        await stage.sees("Service", "Log-ins")  # left as it is
        stage.app.go("first-run")
        await stage.sees("Seven questions", "0 of 7")

    play(empty(), story)


def test_a_viewer_and_a_node_with_stores_see_the_overview() -> None:
    async def story(stage: Stage) -> None:
        await stage.sees("Service", "Log-ins")
        assert "Seven questions" not in stage.text()

    play(empty({ConsoleWho: {**WHO, "role": "viewer"}}), story)
    play(configured(), story)


def test_what_was_found_is_one_key_away() -> None:
    def refuses(_: BackendCheck) -> None:
        rows = [{"backend": "mail1", "service": "imap", "ok": False, "reason": "greeting: no answer",
                 "steps": [{"name": "greeting", "ok": False, "result": f"no answer{EVIL}", "ms": 5000.0}]}]  # fmt: skip
        raise Refused("not right", value=rows)

    node = empty({BackendAdd: {"revision": 2}, BackendCheck: refuses, ServiceSet: {"revision": 1}})

    async def story(stage: Stage) -> None:
        await stage.sees("found at 127.0.0.1:10143")
        await stage.press("enter")
        await fill(stage, "example.org, example.net")
        await stage.sees("postern service set site domains=example.org,example.net")
        await stage.press("j", "enter")
        await fill(stage)
        await stage.sees("✗ imap", "greeting: no answer\\x1b]52")

    play(node, story)
    assert ServiceSet("site", {"domains": ["example.org", "example.net"]}) in node.asked
    assert BackendAdd("mail1", {"imap": "127.0.0.1:10143"}) in node.asked


def test_steps_are_done_when_the_node_says_so() -> None:
    known = Known(host="mail1.example.org")
    assert [step.name for step in steps(known) if step.done] == []
    assert steps(known)[0].answer == "found: example.org"
    store = {"name": "mail1", "imap": "127.0.0.1:143", "pop3": "", "health": "up"}
    known = Known(
        site={"domains": setting("domains", [], ["example.org"])},
        auth={"method": setting("method", "internal", "backend")},
        backends=[store], certificates=CERTIFICATES, maps=[{"name": "people", "entries": 1}],
        administrators=[{"name": "maria"}], tried="maria@example.org",
    )  # fmt: skip
    assert all(step.done for step in steps(known))
    sick = known._replace(backends=[{**store, "health": "down"}], certificates=[{**CERTIFICATES[0], "own": True}])
    assert [step.name for step in steps(sick) if not step.done] == ["store", "certificate"]


def test_where_a_log_in_is_tried() -> None:
    assert listener([service("imap")]) == ("127.0.0.1", 993, True)
    assert listener([service("imap", listen=["192.0.2.1:143"], listen_tls=[])]) == ("192.0.2.1", 143, False)
    with pytest.raises(NoWay, match="IMAP listens nowhere"):
        listener([service("imap", "off")])
    assert listener([service("imap", listen_tls=["[::1]:993"])]) == ("::1", 993, True)


def test_a_log_in_that_fails_says_why() -> None:
    port = free_port()
    assert log_in(("127.0.0.1", port, False), "maria@example.org", "kx-s3cret")[-1] == "failed: Connection refused"

    def refuses(peer: socket.socket) -> None:
        peer.sendall(GREETING)
        with peer.makefile("rb") as lines:
            for line in lines:
                tag, word = line.split()[:2]
                known = b"* CAPABILITY IMAP4rev1\r\n" + tag + b" OK done\r\n"
                refusal = tag + b" NO [AUTHENTICATIONFAILED] \x1b[2Jwrong\r\n"
                peer.sendall(known if word == b"CAPABILITY" else refusal)

    with Scripted(refuses) as store:
        said = log_in((store.host, store.port, False), "maria@example.org", "kx-s3cret")
    assert said[-1] == "refused: [AUTHENTICATIONFAILED] \\x1b[2Jwrong"
    assert "s3cret" not in str(said)


def test_without_imap_there_is_no_log_in_to_try() -> None:
    async def story(stage: Stage) -> None:
        await stage.sees("Seven questions", "found at")
        await stage.press("G", *["j"] * 7, "enter")
        await fill(stage, "maria@example.org")
        await fill(stage, "kx-s3cret")
        await stage.sees("✗ IMAP listens nowhere on this node")

    play(empty({ServiceList: [service("imap", "off")]}), story)
