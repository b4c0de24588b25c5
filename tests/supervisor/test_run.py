"""`postern run` at its start and while it lasts: what it says, whom it replaces, what it survives."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable

from tests.services.node import POSTERN, Node
from tests.services.ports import answers, eventually, free_port
from tests.services.processes import descriptors
from tests.services.talk import Talk
from tests.supervisor.watching import begin, greets, is_alive, is_listening, log_out, of_home, parents, workers

LogIn = Callable[[], Talk]


def kill_controller(node: Node) -> None:
    """And wait for its successor."""
    controller = node.controller()
    os.kill(controller, signal.SIGKILL)
    eventually(lambda: any(pid != controller for pid in node.processes("control.server")), "it is back")


# --- the start -----------------------------------------------------------------------------------------------------


def test_a_busy_port_is_named_the_other_serves_and_ready_waits(node: Node) -> None:
    with socket.create_server((node.host, node.imaps)):
        begin(node)
        problem = f"cannot listen on {node.host}:{node.imaps} for imap: another program listens there"
        eventually(lambda: f"{problem}; trying again every 2 s" in node.log(), "the port is named")
        eventually(lambda: answers(node.host, node.imap), "the other door is open")
        assert greets(node)
        time.sleep(2.5)
        assert "ready" not in node.log() and node.log().count(problem) == 1
    eventually(lambda: "ready" in node.log(), "ready, once all is open", 5)
    assert answers(node.host, node.imaps)
    assert node.stop() == 0


def test_a_role_that_cannot_start_ends_the_node_and_says_why(node: Node) -> None:
    holder = subprocess.Popen(["flock", "--no-fork", str(node.home / "lock"), "sleep", "60"])
    (node.home / "lock").write_text(f"{holder.pid}\n")
    try:
        eventually(lambda: node.run("map", "create", "x").returncode == 1, "the lock is held")
        run = node.run("run")
    finally:
        holder.kill()
        holder.wait()
    assert run.returncode == 1
    said = run.stderr.splitlines()
    assert f"postern: {node.home} is in use by process {holder.pid}: only one may write to it" in said
    assert "controller-1 could not start: the node ends" in said
    assert "Traceback" not in run.stderr
    assert of_home(node.home) == []


def test_another_node_on_the_same_home_is_refused(running: Node) -> None:
    assert running.process
    run = running.run("run")
    assert run.returncode == 1
    assert run.stderr == f"postern: {running.home} is already served by process {running.process.pid}\n"
    assert greets(running)


def test_only_some_roles(node: Node) -> None:
    with subprocess.Popen([POSTERN, "--home", str(node.home), "run", "controller"], stderr=subprocess.PIPE) as process:
        assert process.stderr and process.stderr.readline() == b"ready\n"
        assert not answers(node.host, node.imap)
        process.terminate()
        assert process.wait(20) == 0


def test_descriptors_are_raised_to_what_is_allowed(running: Node) -> None:
    for pid in running.processes():
        with open(f"/proc/{pid}/limits") as limits:
            soft, hard = next(line for line in limits if line.startswith("Max open files")).split()[3:5]
        assert soft == hard


# --- changes -------------------------------------------------------------------------------------------------------


def test_addresses_change_while_it_runs(running: Node, log_in: LogIn) -> None:
    session = log_in()
    old, running.imap = running.imap, free_port(running.host)
    running.configuration["imap"]["listen"] = [f"{running.host}:{running.imap}"]
    running.apply()
    assert answers(running.host, running.imap) and greets(running)
    eventually(lambda: not answers(running.host, old), "the old address is closed")
    assert session.ask(b"NOOP")[-1].startswith(b"tag OK")
    with socket.create_server((running.host, old)):
        run = running.run("service", "set", "imap", f"listen={running.host}:{old}")
        assert run.returncode == 1
        assert f"cannot listen on {running.host}:{old} for imap: another program listens there" in run.stderr
    assert greets(running)


def test_one_address_instead_of_all(running: Node) -> None:
    for address in ("[::]", running.host, "[::]"):
        running.configuration["imap"]["listen"] = [f"{address}:{running.imap}"]
        done = running.apply()
        assert not done.get("note"), done
        assert greets(running)


# --- what dies, what hangs -------------------------------------------------------------------------------------------


def test_roles_that_die_again_and_again_are_paced(running: Node) -> None:
    for pause in ("0.2", "0.5"):
        kill_controller(running)
        assert f"ended by signal 9: starting it again in {pause} s" in running.log()
    eventually(lambda: running.run("status").returncode == 0, "the new one answers")
    assert greets(running)


def test_a_sessions_role_that_is_killed_leaves_no_share_behind(running: Node, log_in: LogIn) -> None:
    session = log_in()
    (old,), orphans = parents(running), workers(running)
    os.kill(old, signal.SIGKILL)
    eventually(lambda: len(workers(running)) == 2 and not set(workers(running)) & set(orphans), "new workers")
    eventually(lambda: not any(is_listening(pid) for pid in orphans if is_alive(pid)), "orphans accept no more")
    assert greets(running, 40)
    assert session.ask(b"NOOP")[-1].startswith(b"tag OK")
    assert [is_alive(pid) for pid in orphans].count(True) == 1, "who has no session ends at once"
    log_out(session)
    eventually(lambda: not any(map(is_alive, orphans)), "the last one ends with its last session")


def test_roles_that_hang_are_replaced(running: Node, log_in: LogIn) -> None:
    session = log_in()
    hung = [running.controller(), *parents(running)]
    for pid in hung:
        os.kill(pid, signal.SIGSTOP)
    assert greets(running), "neither of them is needed for that"
    eventually(lambda: not any(map(is_alive, hung)), "both are ended", 20)
    eventually(lambda: len(workers(running)) == 2 and running.processes("control.server"), "both are back", 20)
    assert running.log().count("does not answer any more: replaced") == 2
    assert greets(running, 40)
    assert session.ask(b"NOOP")[-1].startswith(b"tag OK")


def test_a_machine_that_was_suspended_replaces_nobody(running: Node, log_in: LogIn) -> None:
    session, before = log_in(), running.processes()
    for pid in before:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(11)
    for pid in before:
        os.kill(pid, signal.SIGCONT)
    assert session.ask(b"NOOP")[-1].startswith(b"tag OK")
    time.sleep(1.5)
    assert running.processes() == before and "replaced" not in running.log()


def test_a_killed_supervisor_takes_its_roles_with_it_and_leaves_no_obstacle(running: Node, log_in: LogIn) -> None:
    running.cli("service", "set", "limits", "drain_seconds=30")
    session, orphans = log_in(), running.processes()[1:]
    assert running.process
    running.process.kill()
    running.process.wait()
    eventually(lambda: not answers(running.host, running.imap), "nobody listens any more")
    eventually(lambda: len([pid for pid in orphans if is_alive(pid)]) == 2, "what serves the session is left")
    assert session.ask(b"NOOP")[-1].startswith(b"tag OK")
    begin(running)
    eventually(lambda: running.log().count("\nready\n") == 2, "its successor is ready")
    assert greets(running)
    assert session.ask(b"NOOP")[-1].startswith(b"tag OK")
    log_out(session)
    eventually(lambda: not any(map(is_alive, orphans)), "they end with their last session")
    assert running.stop() == 0


def test_it_goes_on_when_nobody_reads_what_it_says(node: Node) -> None:
    node.process = subprocess.Popen([POSTERN, "--home", str(node.home), "run"], stderr=subprocess.PIPE)
    assert node.process.stderr
    assert node.process.stderr.readline() == b"ready\n"
    node.process.stderr.close()
    before = workers(node)
    kill_controller(node)
    for worker in before:
        os.kill(worker, signal.SIGKILL)
    eventually(lambda: workers(node) and not set(workers(node)) & set(before), "new workers")
    assert greets(node)
    assert node.stop() == 0


def test_everything_killed_at_once_is_no_obstacle(running: Node) -> None:
    running.kill()
    running.start()
    assert greets(running)
    assert running.stop() == 0


def test_nothing_leaks_over_many_changes_and_restarts(running: Node) -> None:
    def settled() -> dict[int, int]:
        return {pid: descriptors(pid) for pid in [running.process.pid if running.process else 0, *parents(running)]}

    running.cli("service", "disable", "imap")
    running.cli("service", "enable", "imap")
    before = settled()
    for _ in range(4):
        running.cli("service", "disable", "imap")
        running.cli("service", "enable", "imap")
    for worker in workers(running):
        os.kill(worker, signal.SIGKILL)
    os.kill(running.controller(), signal.SIGKILL)
    eventually(lambda: len(workers(running)) == 2 and running.run("status").returncode == 0, "all are back")
    eventually(lambda: settled() == before, f"as many descriptors as before: {before}")
    assert greets(running)
