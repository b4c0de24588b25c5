"""The overview of a node that people log in at: what they do moves it, a store that goes and comes back is told."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.node.conftest import NewNode, Stores, backend
from tests.node.test_backends import PATIENCE
from tests.node.test_refusals import verdict
from tests.services.authority import Authority
from tests.services.dovecot import Dovecot
from tests.services.node import POSTERN, Node
from tests.services.people import MARIA, OTTO, WRONG
from tests.services.ports import eventually


def seen(node: Node, what: Callable[[dict[str, Any], list[dict[str, Any]]], Any], why: str) -> Any:
    """Waits until the overview and the alerts are so."""

    def look() -> Any:
        value = node.cli("overview")
        return what(value["overview"], value["alerts"])

    return eventually(look, why, 20)


def row(rows: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(one for one in rows if one["name"] == name)


def test_log_ins_move_the_pulse_and_a_store_that_goes_is_told_until_it_returns(
    new_node: NewNode, stores: Stores, folder: Path, authority: Authority
) -> None:
    certificate = authority.issue("gamma.example.test")
    gamma = Dovecot(folder / "gamma", "gamma", certificate, users={MARIA.address: MARIA.password})
    node = new_node(
        backend=[backend(gamma), backend(stores.beta)], limits=PATIENCE,
        people={MARIA.address: "gamma", OTTO.address: "beta"},
    )  # fmt: skip
    with gamma:
        node.start()
        seen(node, lambda now, alerts: not alerts, "a node that is well needs nobody")
        sessions = [node.logged_in(*MARIA), node.logged_in(*OTTO)]
        assert verdict(node, OTTO.address, WRONG).startswith(b"tag NO")
        seen(node, lambda now, _: row(now["services"], "imap")["log_ins"] == 2, "two log-ins")
        seen(node, lambda now, _: row(now["services"], "imap")["failed"] == 1, "a failure")
        seen(node, lambda now, _: row(now["backends"], "gamma")["sessions"] == 1, "a session")
        imap = row(node.cli("overview")["overview"]["services"], "imap")
        assert sum(imap["per_minute"]) == 2 and sum(imap["failed_per_minute"]) == 1
        assert 0 < imap["slowest_ms"] < 30_000
        store = row(node.cli("overview")["overview"]["backends"], "gamma")
        assert (store["state"], store["users"], store["since"]) == ("up", 1, None)
        assert store["answers_ms"] is not None
        for session in sessions:
            session.logout()
    seen(node, lambda now, _: row(now["backends"], "gamma")["state"] == "down", "the store is down for all services")
    (alert,) = node.cli("overview")["alerts"]
    assert alert["text"].startswith("gamma is down: log-ins of 1 person fail (")
    assert (alert["level"], alert["screen"], alert["subject"]) == ("problem", "backends", "gamma")
    with gamma:
        seen(node, lambda now, alerts: not alerts, "the store is back")
        seen(node, lambda now, _: row(now["backends"], "gamma")["state"] == "up", "it is up")


def test_a_controller_that_is_killed_counts_on_not_anew(new_node: NewNode) -> None:
    node = new_node(limits=PATIENCE)
    node.start()
    for _ in range(3):
        node.logged_in(*MARIA).logout()
    seen(node, lambda now, _: row(now["services"], "imap")["log_ins"] == 3, "three log-ins")
    before = node.controller()
    subprocess.run(["kill", "-9", str(before)], check=True)
    eventually(lambda: node.processes("appliance.control.server") not in ([], [before]), "another controller")
    seen(node, lambda now, _: row(now["services"], "imap")["state"] == "on", "the workers are with it")
    node.logged_in(*MARIA).logout()
    seen(node, lambda now, _: row(now["services"], "imap")["log_ins"] == 1, "one log-in since")


def test_a_port_that_another_program_holds_is_told_until_it_is_had(new_node: NewNode) -> None:
    node = new_node(limits=PATIENCE)
    with socket.create_server((node.host, 0)) as taken:
        address = f"{node.host}:{taken.getsockname()[1]}"
        node.configuration["pop3"]["listen"].append(address)
        node.apply()
        with (node.folder / "log").open("ab") as log:
            node.process = subprocess.Popen([POSTERN, "--home", str(node.home), "run"], stdout=log, stderr=log)
        (alert,) = seen(node, lambda now, alerts: now["state"] == "running" and alerts, "it says so")
        assert f"cannot listen on {address} for pop3: another program listens there" == alert["text"]
        assert (alert["level"], alert["screen"], alert["subject"]) == ("problem", "services", "pop3")
    seen(node, lambda now, alerts: not alerts, "it is open")
