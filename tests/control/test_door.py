"""The console's door: passwords, codes that are good once, failures that become a ban of the console alone."""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
import time
from collections.abc import Callable, Iterator
from typing import Any

import asyncssh
import pyotp
import pytest

from appliance.control.api import Done, Failed, Refused, Request
from appliance.control.api.admins import AdminAdd, AdminKeyAdd, AdminPassword, AdminTotp
from appliance.control.api.bans import BanAdd, BanLift, BanList
from appliance.control.api.console import BY_KEY, BY_PASSWORD, ConsoleAddress, ConsoleCode, ConsoleKey, ConsolePassword
from appliance.control.api.live import Route
from appliance.control.commands import answer
from appliance.control.commands.console import address
from appliance.control.doorkeeper import KEYS, MOST, Doorkeeper
from appliance.control.node import By, Node
from appliance.control.onetime import STEP, Codes, step_of
from appliance.home import Home
from appliance.routing import passwords
from tests.control.letting import Inside
from tests.control.running import Running

SERVER = By("postern-console", "control socket", "no administrator", lets_in=True)
ROOT = By("root", "control socket", lets_in=True)
HERE, RIGHT = "192.0.2.7", "correct horse"
KEY = asyncssh.generate_private_key("ssh-ed25519", comment="maria@laptop").export_public_key().decode()
OTHER = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()


@pytest.fixture
def node(home: Home) -> Iterator[Node]:
    """With maria, who has a password and a key."""
    with contextlib.closing(Node.open(home)) as opened:
        for request in (AdminAdd("maria", "owner", KEY), AdminPassword("maria", RIGHT)):
            ask(opened, request)
        yield opened


def ask(node: Node, request: Request, by: By = ROOT) -> Any:
    """The value; raises Refused."""
    last = list(answer(node, by, request))[-1]
    if isinstance(last, Failed):
        raise Refused(last.text)
    assert isinstance(last, Done)
    return last.value


def tried(node: Node, password: str, code: str = "", name: str = "maria", client: str = HERE) -> bool:
    """Whether that lets in."""
    return bool(ask(node, ConsolePassword(name, password, code, client), SERVER)["allowed"])


def may_try(node: Node, client: str = HERE, failed: int = 0) -> bool:
    return bool(ask(node, ConsoleAddress(client, failed), SERVER)["allowed"])


# --- passwords, keys, codes ------------------------------------------------------------------------------------------


def test_a_password(node: Node) -> None:
    assert tried(node, RIGHT) and tried(node, RIGHT, "any code: none is wanted")
    assert not tried(node, "wrong horse") and not tried(node, "") and not tried(node, RIGHT, name="nobody")
    ask(node, AdminPassword("maria", ""))
    assert not tried(node, "") and not tried(node, RIGHT)


def test_an_unknown_name_costs_the_hash_that_a_known_one_does(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    ask(node, AdminAdd("keyed"))
    hashes: list[str] = []
    verify = passwords.verify

    def watched(stored: str, given: bytes) -> bool:
        hashes.append(stored)
        return verify(stored, given)

    monkeypatch.setattr(passwords, "verify", watched)
    for name in ("maria", "keyed", "nobody", "x" * 500):
        tried(node, "wrong horse", name=name)
    assert len(hashes) == 4 and all(one.startswith(passwords.OURS) for one in hashes)


def test_a_key_is_one_of_the_administrators(node: Node) -> None:
    def allowed(name: str, key: str) -> dict[str, bool]:
        value: dict[str, bool] = ask(node, ConsoleKey(name, key, HERE), SERVER)
        return value

    assert allowed("maria", KEY) == {"allowed": True, "totp": False}
    assert allowed("maria", " ".join(KEY.split()[:2])) == {"allowed": True, "totp": False}
    ask(node, AdminTotp("maria"))
    assert allowed("maria", KEY) == {"allowed": True, "totp": True}
    for name, key in (("nobody", KEY), ("maria", OTHER), ("maria", ""), ("maria", KEY.split()[1]), ("maria", "x " * 9)):
        assert allowed(name, key) == {"allowed": False, "totp": False}
    ask(node, AdminKeyAdd("maria", OTHER))
    assert allowed("maria", OTHER)["allowed"]


def test_with_codes_both_must_be_right_and_a_code_is_good_once(node: Node) -> None:
    code = pyotp.TOTP(ask(node, AdminTotp("maria"))["secret"]).now()
    assert not tried(node, RIGHT) and not tried(node, RIGHT, "000000") and not tried(node, "wrong horse", code)
    assert tried(node, RIGHT, code)  # a wrong password has not used it up
    assert not tried(node, RIGHT, code)


def test_a_code_that_was_used_stays_so_over_a_restart_and_a_new_secret_begins_anew(node: Node, home: Home) -> None:
    secret = ask(node, AdminTotp("maria"))["secret"]
    step = step_of(secret, pyotp.TOTP(secret).now(), time.time())
    assert Codes(home.node_db).use("maria", secret, step)
    assert not Codes(home.node_db).use("maria", secret, step)
    assert not Codes(home.node_db).use("maria", secret, step - 1)
    other = ask(node, AdminTotp("maria"))["secret"]
    assert Codes(home.node_db).use("maria", other, step - 1)


def test_a_disk_that_takes_nothing_neither_keeps_out_nor_lets_in_twice(home: Home) -> None:
    home.node_db.unlink()
    home.node_db.mkdir()
    codes = Codes(home.node_db)
    assert codes.use("maria", "A" * 32, 5)
    assert not codes.use("maria", "A" * 32, 5)


@pytest.mark.parametrize(("late", "good"), [(-31, False), (0, True), (29, True), (59, True), (60, False), (90, False)])
def test_a_code_is_good_for_one_step_of_drift(late: int, good: bool) -> None:
    secret, made = pyotp.random_base32(), 1_800_000_000 // STEP * STEP
    code = pyotp.TOTP(secret).at(made)
    assert bool(step_of(secret, code, made + late)) == good
    assert step_of(secret, "", made) == step_of(secret, "é" * 6, made) == 0


# --- failures --------------------------------------------------------------------------------------------------------


def test_failures_delay_ever_more_and_are_forgotten_after_an_hour() -> None:
    now = [0.0]
    keeper = Doorkeeper(lambda: now[0])
    delays = []
    for _ in range(8):
        delays.append(keeper.delay(HERE))
        assert not keeper.failed(HERE)
    assert delays == [0.0, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
    assert keeper.delay("192.0.2.8") == 0.0
    now[0] = 3600.0
    assert keeper.delay(HERE) == 0.0
    assert not any(keeper.failed(HERE) for _ in range(MOST - 1))
    assert keeper.failed(HERE)


def test_addresses_are_counted_by_client_and_bounded() -> None:
    keeper = Doorkeeper(lambda: 0.0)
    assert not keeper.failed("2001:db8:1:2::1", MOST - 1)
    assert keeper.failed("2001:db8:1:2:ffff::9")
    for number in range(KEYS + 10):
        keeper.failed(f"10.{number // 65536}.{number // 256 % 256}.{number % 256}", 10**9)
    assert len(keeper._failures) == KEYS and keeper.delay("2001:db8:1:2::1") == 0.0


def test_twenty_failures_are_a_ban_of_the_console_alone(node: Node) -> None:
    for _ in range(10):
        tried(node, "wrong horse")
    assert may_try(node, failed=MOST - 11) and not may_try(node, failed=1)
    assert may_try(node, "192.0.2.8")
    (ban,) = ask(node, BanList())
    assert (ban["scope"], ban["subject"]) == ("console", HERE)
    assert ban["reason"] == "20 failed log-ins to the console within an hour"
    assert "not banned" in str(ask(node, Route("maria@example.test", "imap", HERE))["steps"])
    ask(node, BanLift(HERE))
    assert may_try(node) and ask(node, BanList()) == []
    assert ask(node, ConsoleAddress(HERE), SERVER)["delay"] == 0.0


def test_a_ban_of_an_ipv6_client_is_of_its_network_and_lifted_by_either(node: Node) -> None:
    for lifted in ("2001:db8:1:2::/64", "2001:db8:1:2::77"):
        assert not may_try(node, "2001:db8:1:2::1", failed=MOST)
        assert not may_try(node, "2001:db8:1:2::2")
        ask(node, BanLift(lifted))
        assert may_try(node, "2001:db8:1:2::1")


def test_a_ban_ends_by_itself(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not may_try(node, failed=MOST)
    later = time.time() + 3601
    monkeypatch.setattr(time, "time", lambda: later)
    assert may_try(node)


def test_a_ban_of_an_address_holds_at_the_console_too(node: Node) -> None:
    ask(node, BanAdd("192.0.2.0/24"))
    assert not may_try(node) and may_try(node, "198.51.100.1")


@pytest.mark.parametrize("client", ["", "no address", "x" * 300, "::1%eth0", "'; --"])
def test_what_is_no_address_is_counted_and_never_banned(node: Node, client: str) -> None:
    ask(node, ConsoleAddress(client, MOST + 1), SERVER)
    assert all(ban["subject"] == "::/64" for ban in ask(node, BanList()))


def test_where_a_key_let_somebody_in_nobody_is_banned_for_a_day(
    home: Home, monkeypatch: pytest.MonkeyPatch, enter: Callable[..., Inside], controller: Running
) -> None:
    enter("maria").close()
    assert controller.ask(ConsoleAddress(HERE, MOST)).value["allowed"]
    controller.ask(BanAdd(HERE))
    assert controller.ask(ConsoleAddress(HERE)).value["allowed"]  # his neighbours' doing shall not shut him out
    assert not controller.ask(ConsoleAddress("192.0.2.8", MOST)).value["allowed"]
    controller.close()
    with contextlib.closing(Node.open(home)) as node:
        assert may_try(node)
        later = time.time() + 86401
        monkeypatch.setattr(time, "time", lambda: later)
        assert not may_try(node)


def test_a_password_that_let_somebody_in_is_no_such_trust(enter: Callable[..., Inside], controller: Running) -> None:
    enter("maria", by=BY_PASSWORD).close()
    assert not controller.ask(ConsoleAddress(HERE, MOST)).value["allowed"]


def test_codes_that_are_wrong_inside_are_failures_too(enter: Callable[..., Inside], controller: Running) -> None:
    for _ in range(MOST // 5):
        locked = enter("maria", locked=True)
        for _ in range(5):
            with pytest.raises(Refused):
                locked.ask(ConsoleCode("wrong horse"))
    assert not controller.ask(ConsoleAddress(HERE)).value["allowed"]


def test_a_used_code_does_not_unlock(enter: Callable[..., Inside], controller: Running) -> None:
    code = pyotp.TOTP(controller.ask(AdminTotp("maria")).value["secret"]).now()
    first, second = enter("maria", locked=True), enter("maria", locked=True)
    with pytest.raises(Refused, match="not right"):
        first.ask(ConsoleCode(RIGHT))  # a password is no code
    first.ask(ConsoleCode(code))
    with pytest.raises(Refused, match="not right"):
        second.ask(ConsoleCode(code))


@pytest.fixture
def enter(controller: Running) -> Iterator[Callable[..., Inside]]:
    """Lets maria in."""
    made: list[Inside] = []
    controller.ask(AdminAdd("maria", "owner", KEY))
    controller.ask(AdminPassword("maria", RIGHT))

    def enter(name: str, locked: bool = False, by: str = BY_KEY) -> Inside:
        made.append(Inside(controller, name, locked, by))
        return made[-1]

    yield enter
    for one in made:
        one.close()


# --- secrets ---------------------------------------------------------------------------------------------------------


def test_no_secret_gets_into_the_log_or_a_representation(enter: Callable[..., Inside], controller: Running) -> None:
    del enter
    secret = controller.ask(AdminTotp("maria")).value["secret"]
    code = pyotp.TOTP(secret).now()
    requests = [
        ConsolePassword("maria", RIGHT, code, HERE), ConsolePassword("maria", RIGHT, code, HERE),
        ConsoleCode(code), AdminPassword("maria", "another horse"),
    ]  # fmt: skip
    for request in requests:
        with contextlib.suppress(Refused):
            controller.ask(request)
    controller.ask(ConsoleAddress(HERE, MOST))
    with contextlib.closing(sqlite3.connect(controller.home.config_db)) as database:
        what = " ".join(row[0] for row in database.execute("SELECT what FROM audit"))
    said = controller.stop()[1] + what + "".join(map(repr, requests))
    assert "banned for an hour" in said
    for word in itertools.chain((RIGHT, "another horse", code, secret)):
        assert word not in said


def test_a_secret_sealed_by_another_key_is_an_outage_and_no_wrong_code(node: Node) -> None:
    from cryptography.fernet import Fernet

    from appliance.vault import Vault

    ask(node, AdminTotp("maria"))
    node.vault = Vault(Fernet.generate_key())
    with pytest.raises(Refused, match="cannot be opened"):
        tried(node, RIGHT, "123456")
    assert address(node, SERVER, ConsoleAddress(HERE), None).value["delay"] == 0.0
