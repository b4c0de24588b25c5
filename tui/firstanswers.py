"""How each question of the first run is asked, and the requests that answer it: the same as the commands'.

Must never keep a password: one is asked for the log-in that is tried, and forgotten with it.
"""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Sequence
from typing import Any, Final

from appliance.control.api import Refused
from appliance.control.api.admins import AdminAdd
from appliance.control.api.backends import BackendAdd, BackendCheck
from appliance.control.api.live import LogTail, Route
from appliance.control.api.maps import MapCreate, MapPut
from appliance.control.api.services import ServiceList, ServiceSet
from tui.firststeps import EVERYBODY, MAP, Known, domains, likely_domain
from tui.place import PlaceScreen
from tui.trylogin import NoWay, listener, log_in
from tui.widgets.choose import Choose
from tui.widgets.dialog import Prompt
from tui.words import plain

LOG_SECONDS: Final = 3.0  # that the log may take to tell of a log-in
TLS: Final = (
    ("none", "no TLS: only inside this machine or a network of its own"),
    ("starttls", "STARTTLS, its certificate verified"),
    ("implicit", "TLS from the first octet, its certificate verified"),
)


class Answers(PlaceScreen):
    """Asks one question at a time. `known` is what the node said, `told` what came of a question, by its name."""

    def __init__(self, subject: str = "") -> None:
        super().__init__(subject)
        self.known = Known()
        self.told: dict[str, list[str]] = {}

    async def answer(self, name: str) -> None:
        """Ask it, and do what was answered. For workers."""
        asked = {
            "domains": self._ask_domains,
            "store": self._ask_store,
            "certificate": self._ask_certificate,
            "map": self._ask_map,
            "passwords": self._ask_passwords,
            "owner": self._ask_owner,
            "login": self._ask_login,
        }
        await asked[name]()

    async def _typed(self, question: str, value: str = "", secret: bool = False) -> str:
        line = await self.console.push_screen_wait(Prompt(question, value, secret)) or ""
        return line if secret else line.strip()

    async def _chosen(self, question: str, choices: Sequence[tuple[str, str]], current: str = "") -> str | None:
        return await self.console.push_screen_wait(Choose(question, choices, current=current))

    def tell(self, name: str, *lines: str) -> None:
        """What came of a question, below it."""
        self.told[name] = [plain(line, 300) for line in lines]
        self.say()

    def say(self) -> None:
        """Show what is known now."""
        raise NotImplementedError

    # --- the questions ---

    async def _ask_domains(self) -> None:
        there = ", ".join(domains(self.known)) or likely_domain(self.known)
        if line := await self._typed("Our domains, with commas between", there):
            names = [name.strip() for name in line.split(",") if name.strip()]
            command = f"postern service set site domains={shlex.quote(','.join(names))}"
            await self.act(ServiceSet("site", {"domains": names}), command)

    async def _ask_store(self) -> None:
        if self.known.backends:
            await self._check_store(self.known.backends[0]["name"])
            return
        found = {one["service"]: one for one in self.known.found}
        here = found.get("imap", {}).get("address", "")
        address = await self._typed("Where the store speaks IMAP: HOST:PORT", here or "127.0.0.1:143")
        if not address:
            return
        values: dict[str, Any] = {"imap": address}
        if address == here:
            values |= {name: one["address"] for name, one in found.items()}
            values |= {"tls": found["imap"]["tls"], "tls_pin": found["imap"]["tls_pin"]}
        else:
            current = "none" if address.startswith(("127.", "[::1]", "localhost:")) else "starttls"
            values["tls"] = await self._chosen("How is the way there protected?", TLS, current)
        if values["tls"] is None:
            return
        name = self.console.node_name
        values = {key: value for key, value in values.items() if value not in ("", "none")}
        words = " ".join(shlex.quote(f"{key}={value}") for key, value in values.items())
        if await self.act(BackendAdd(name, values), f"postern backend add {shlex.quote(name)} {words}") is not None:
            await self._check_store(name)

    async def _check_store(self, name: str) -> None:
        """Step by step, shown below."""
        try:
            rows = (await self.console.node.ask(BackendCheck(name))).value
        except Refused as refused:
            rows = refused.value if isinstance(refused.value, list) else []
            if not rows:
                self.tell("store", f"✗ {refused.text}")
                return
        self.tell("store", *(line for row in rows for line in _visit(row)))

    async def _ask_certificate(self) -> None:
        ways = (
            ("own", "the node's own for now: mail programs warn of it"),
            ("add", "paste one, or take one that was sent by scp"),
        )
        way = await self._chosen("Which certificate are clients shown?", ways)
        if way == "own":
            self.known = self.known._replace(own_is_fine=True)
        elif way == "add":
            from tui.screens.certificates import AddCertificate

            await self.console.push_screen(AddCertificate())

    async def _ask_map(self) -> None:
        if not self.known.backends:
            self.tell("map", "✗ Before people can live somewhere, there must be a store: question 2.")
            return
        names = [one["name"] for one in self.known.backends]
        ways = [
            *((f"{EVERYBODY}{domain}", f"everybody of {domain} lives on {names[0]}") for domain in domains(self.known)),
            ("import", "import a file: address,back-end in each line"),
            ("one", "one person, to begin with"),
        ]
        way = await self._chosen("Who lives where?", ways)
        if way is None or not await self._map_there():
            return
        if way == "import":
            self.console.go("maps", MAP)
            return
        address = way if way.startswith(EVERYBODY) else await self._typed("Whose address?")
        if address:
            command = f"postern map put {MAP} {shlex.quote(address)} {shlex.quote(names[0])}"
            await self.act(MapPut(MAP, address, names[0]), command)

    async def _map_there(self) -> bool:
        if any(one["name"] == MAP for one in self.known.maps):
            return True
        return await self.act(MapCreate(MAP, {"type": "sqlite"}), f"postern map create {MAP} type=sqlite") is not None

    async def _ask_passwords(self) -> None:
        ways = (
            ("backend", "the mail store: it has them already"),
            ("internal", "this node: with accounts of its own"),
            ("ldap", "a directory: needs a connector first"),
        )
        way = await self._chosen("Who says whether a password is right?", ways)
        if way == "ldap":
            self.console.go("auth")
        elif way is not None:
            await self.act(ServiceSet("auth", {"method": way}), f"postern service set auth method={way}")
        if way == "internal":
            self.tell("passwords", "Then each person needs an account: `:accounts` adds one.")

    async def _ask_owner(self) -> None:
        if self.known.administrators:
            self.console.go("administrators")
            return
        name = await self._typed("Your name as an administrator")
        key = await self._typed("Your public key: the line of a .pub file") if name else ""
        if key:
            command = f"postern admin add {shlex.quote(name)} --role owner --key FILE"
            await self.act(AdminAdd(name, "owner", key), command)

    async def _ask_login(self) -> None:
        address = await self._typed("Who logs in? An address", self.known.tried)
        password = await self._typed(f"The password of {address}", secret=True) if address else ""
        if not password:
            return
        try:
            services = await self.ask(ServiceList())
            where = listener(services.value if services else [])
        except NoWay as why:
            self.tell("login", f"✗ {why}")
            return
        lines = await self._route(address)
        self.tell("login", "trying …", *lines)
        heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        log = self.console.node.follow(LogTail(user=address, last=0), heard.put_nowait, lambda _: None)
        try:
            said = await asyncio.to_thread(log_in, where, address, password)
            lines += [*said, await _logged(heard)]
        finally:
            log.close()
        worked = said[-1].startswith("OK")
        if worked:
            self.known = self.known._replace(tried=address)
        verdict = "✓ Mail flows: this log-in went through the node." if worked else f"✗ It did not work: {said[-1]}"
        self.tell("login", verdict, *lines)

    async def _route(self, address: str) -> list[str]:
        """Where the node would send it, and why."""
        done = await self.ask(Route(address, "imap", "127.0.0.1"))
        if done is None:
            return []
        steps = "; ".join(f"{step['name']}: {step['result']}" for step in done.value["steps"])
        return [f"route: {done.value['verdict']} {done.value['backend'] or ''} ({steps})"]


async def _logged(heard: asyncio.Queue[dict[str, Any]]) -> str:
    """What the node's log says of it."""
    try:
        one = await asyncio.wait_for(heard.get(), LOG_SECONDS)
    except TimeoutError:
        return "log: nothing yet"
    took = f", {one['ms'][-1]:.0f} ms" if one["ms"] else ""
    return f"log: {one['service']} {one['refusal'] or 'ok'}, {one['backend'] or 'no back-end'}{took}"


def _visit(row: dict[str, Any]) -> list[str]:
    steps = [f"  {step['name']}: {step['result']}, {step['ms']:.0f} ms" for step in row["steps"]]
    return [f"{'✓' if row['ok'] else '✗'} {row['service']}", *steps]
