"""What a session is: the child's words, streams, environment and end; who gets none, and how many there may be."""

from __future__ import annotations

import asyncio
import json
import os

import asyncssh
import pyte
import pytest

from tests.tui.sshd.world import World, soon
from tui.sshd.server import Server

SHOWS = """
import json, os, sys
size = os.get_terminal_size() if sys.stdout.isatty() else None
print(json.dumps([sys.argv[1:], dict(os.environ), size]))
"""
STAYS = """
import os, signal, sys, time
open(os.path.dirname(os.path.realpath(__file__)) + "/pids", "a").write(f"{os.getpid()}\\n")
print("here", flush=True)
time.sleep(60)
"""
ECHOES = """
import fcntl, os, signal, struct, sys, termios, tty
tty.setraw(0)
def size(*_):
    rows, columns = struct.unpack("HHHH", fcntl.ioctl(0, termios.TIOCGWINSZ, bytes(8)))[:2]
    os.write(1, f"\\x1b[2J\\x1b[H{columns}x{rows}\\r\\n".encode())
signal.signal(signal.SIGWINCH, size)
size()
while octets := os.read(0, 100):
    if octets == b"q":
        sys.exit(7)
    os.write(1, b"typed " + octets + b"\\r\\n")
"""


class Screen:
    """What a terminal of this size would show."""

    def __init__(self, columns: int, rows: int) -> None:
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)

    async def until(self, process: asyncssh.SSHClientProcess[bytes], words: str) -> None:
        """Read until it shows these words."""
        while not any(words in line for line in self.screen.display):
            octets = await asyncio.wait_for(process.stdout.read(65536), 10)
            assert octets, f"ended; on the screen: {self.screen.display}"
            self._stream.feed(octets)


async def on_terminal(connection: asyncssh.SSHClientConnection, *words: str, size: tuple[int, int] = (80, 24),
                      term: str = "xterm-256color") -> asyncssh.SSHClientProcess[bytes]:
    return await connection.create_process(" ".join(words) or None, term_type=term, term_size=size, encoding=None)


# --- commands --------------------------------------------------------------------------------------------------------


def test_words_environment_and_status(world: World) -> None:
    world.program(SHOWS + "sys.stderr.write('a remark\\n'); sys.exit(3)")
    given = {"LANG": "de_DE.UTF-8", "COLORTERM": "truecolor", "NO_COLOR": "1", "TEXTUAL_DRIVER": "evil:Driver",
             "PYTHONPATH": "/tmp", "LD_PRELOAD": "/tmp/x.so", "POSTERN_HOME": "/tmp"}

    async def story(_: Server) -> None:
        async with await world.connect() as connection:
            done = await connection.run("map put people 'a b@example.test' mail1", env=given)
        words, environment, size = json.loads(str(done.stdout))
        assert words == ["map", "put", "people", "a b@example.test", "mail1"] and size is None
        assert (done.stderr, done.exit_status) == ("a remark\n", 3)
        control = environment.pop("POSTERN_CONTROL_FD")
        assert int(control) > 2
        environment.pop("LC_CTYPE", None)  # Python's own doing
        assert environment == {"PATH": os.defpath, "LANG": "de_DE.UTF-8", "COLORTERM": "truecolor", "NO_COLOR": "1",
                               "TERM": "dumb", "POSTERN_HOME": str(world.home.path), "POSTERN_REMOTE": "1"}

    world.tell(story)


def test_values_with_anything_strange_are_not_passed(world: World) -> None:
    world.program(SHOWS)

    async def story(_: Server) -> None:
        async with await world.connect() as connection:
            done = await connection.run("x", env={"LANG": "../../x", "COLORTERM": "a\x1b[2J"})
        environment = json.loads(str(done.stdout))[1]
        assert environment["LANG"] == "C.UTF-8" and "COLORTERM" not in environment

    world.tell(story)


def test_the_child_speaks_to_the_controller_on_the_descriptor_it_inherits(world: World) -> None:
    world.program("import os; os.write(int(os.environ['POSTERN_CONTROL_FD']), b'from the child')")

    async def story(_: Server) -> None:
        async with await world.connect() as connection:
            await connection.run("x")
        assert await asyncio.to_thread(world.controller.entered[0].recv, 100) == b"from the child"
        assert await asyncio.to_thread(world.controller.entered[0].recv, 100) == b"", "nobody else holds it"

    world.tell(story)


@pytest.mark.parametrize("terminal", [True, False])
def test_the_child_has_its_streams_and_that_descriptor_and_no_other(world: World, terminal: bool) -> None:
    world.program("""
import json, os, stat
is_open = []
for number in range(4096):
    try:
        is_open.append([number, stat.S_ISSOCK(os.fstat(number).st_mode)])
    except OSError:
        pass
print(json.dumps([is_open, int(os.environ["POSTERN_CONTROL_FD"])]))
""")

    async def story(_: Server) -> None:
        async with await world.connect() as connection, await world.connect():
            process = await on_terminal(connection, "x") if terminal else await connection.create_process("x")
            output = (await process.communicate())[0]
        is_open, control = json.loads(output or "")
        assert [number for number, _ in is_open] == [0, 1, 2, control]
        assert [number for number, is_socket in is_open if is_socket and number > 2] == [control]

    world.tell(story)


def test_streams_of_any_size_come_through_whole(world: World) -> None:
    world.program("import shutil, sys; shutil.copyfileobj(sys.stdin.buffer, sys.stdout.buffer)")
    octets = os.urandom(3_000_000)

    async def story(_: Server) -> None:
        async with await world.connect() as connection:
            done = await connection.run("x", input=octets, encoding=None)
        assert done.stdout == octets and done.exit_status == 0

    world.tell(story)


def test_a_child_that_does_not_read_ends_all_the_same(world: World) -> None:
    world.program("import sys; print('no'); sys.exit(1)")

    async def story(_: Server) -> None:
        async with await world.connect() as connection:
            done = await connection.run("x", input=b"a" * 1_000_000, encoding=None)
        assert (done.stdout, done.exit_status) == (b"no\n", 1)

    world.tell(story)


def test_a_quotation_without_end_is_wrong_usage(world: World) -> None:
    async def story(_: Server) -> None:
        async with await world.connect() as connection:
            done = await connection.run("map put 'people")
        assert done.exit_status == 2 and "no closing quotation" in str(done.stderr)

    world.tell(story)


def test_whom_the_controller_does_not_take_in_gets_its_sentence(world: World) -> None:
    world.controller.role = "gone"

    async def story(_: Server) -> None:
        async with await world.connect() as connection:
            done = await connection.run("map list")
        assert (done.exit_status, done.stderr) == (1, "postern: there is no administrator maria\n")

    world.tell(story)


def test_a_client_that_stops_reading_stops_its_child_alone(world: World) -> None:
    world.program("""
import os, sys
if sys.argv[1] == "quick":
    sys.exit(4)
here = os.path.dirname(os.path.realpath(__file__))
for n in range(100_000):
    sys.stdout.write("x" * 1023 + "\\n"); sys.stdout.flush()
    open(here + "/written", "a").write("x")
""")
    written = world.folder / "written"

    async def story(_: Server) -> None:
        async with await world.connect() as connection:
            process = await connection.create_process("much", encoding=None, window=1 << 16)
            await soon(lambda: written.exists(), "it writes")
            last, before = written.stat().st_size, -1
            while last != before:
                await asyncio.sleep(0.5)
                last, before = written.stat().st_size, last
            assert last < 5000, "the server took all of it"
            async with await world.connect() as another:
                assert (await asyncio.wait_for(another.run("quick"), 10)).exit_status == 4
            process.close()

    world.tell(story)


# --- terminals -------------------------------------------------------------------------------------------------------


def test_a_screen_of_its_own_that_grows_and_shrinks(world: World) -> None:
    world.program(ECHOES)

    async def story(_: Server) -> None:
        async with await world.connect() as connection:
            process = await on_terminal(connection, size=(132, 43))
            screen = Screen(132, 43)
            await screen.until(process, "132x43")
            process.stdin.write("ü日".encode())
            await screen.until(process, "typed ü日")
            process.change_terminal_size(80, 24)
            await screen.until(process, "80x24")
            process.change_terminal_size(1_000_000, 0)
            await screen.until(process, "1000x24")
            process.stdin.write(b"q")
            await process.wait_closed()
            assert process.exit_status == 7

    world.tell(story)


def test_without_a_command_it_is_the_console_and_its_own_terminal(world: World) -> None:
    world.program(SHOWS + "print(os.getsid(0) == os.getpid(), os.ttyname(0) == os.ttyname(1)); open('/dev/tty')")

    async def story(_: Server) -> None:
        async with await world.connect() as connection:
            process = await on_terminal(connection)
            output, error = await process.communicate()
            assert not error
            assert isinstance(output, bytes)
            first, second = output.decode().splitlines()
            words, environment, size = json.loads(first)
            assert words == ["tui"] and size == [80, 24] and environment["TERM"] == "xterm-256color"
            assert second == "True True" and process.exit_status == 0

    world.tell(story)


@pytest.mark.parametrize("term", ["dumb", None])
def test_a_terminal_that_can_show_nothing_gets_the_help(world: World, term: str | None) -> None:
    world.program(SHOWS)

    async def story(_: Server) -> None:
        async with await world.connect() as connection:
            process = await connection.create_process(None, term_type=term)
            output, error = await process.communicate()
            assert not error
            assert json.loads(str(output))[0] == ["--help"] and process.exit_status == 0

    world.tell(story)
