"""The child process behind a session: `postern ...` in a small environment, with its own way to the controller.

It is never given more of the client's environment than how its terminal is; ends with its session, and with us.
"""

from __future__ import annotations

import asyncio
import ctypes
import fcntl
import os
import re
import signal
import socket
import sys
import termios
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final

from appliance.home import Home

COMMAND: Final = (sys.executable, "-P", "-m", "appliance.cli")  # -P: no module is taken from where we stand
GRACE: Final = 3.0  # seconds between SIGHUP and SIGKILL
_PASSED: Final = {  # what of the client's environment, and what its values may be
    "TERM": re.compile(r"[A-Za-z0-9][A-Za-z0-9.+_-]{0,39}"),
    "COLORTERM": re.compile(r"[A-Za-z0-9]{1,16}"),
    "NO_COLOR": re.compile(r"[ -~]{1,16}"),
    "LANG": re.compile(r"[A-Za-z0-9._@-]{1,40}"),
}
_PR_SET_PDEATHSIG: Final = 1
_libc: Final = ctypes.CDLL(None)  # loaded here: nothing is between fork and exec


def environment(home: Home, given: Mapping[str, str], control: int) -> dict[str, str]:
    """Of a child that speaks to the controller on the descriptor `control`."""
    passed = {name: given[name] for name, form in _PASSED.items() if form.fullmatch(given.get(name, ""))}
    return {
        "PATH": os.defpath,
        "LANG": "C.UTF-8",
        **passed,
        "POSTERN_HOME": str(home.path),
        "POSTERN_CONTROL_FD": str(control),
        "POSTERN_REMOTE": "1",
    }


async def start(
    home: Home, words: Sequence[str], given: Mapping[str, str], control: socket.socket, terminal: int | None = None
) -> asyncio.subprocess.Process:
    """`postern WORDS` with pipes, or on a `terminal` (its descriptor). Raises OSError, ValueError."""
    streams: Any = asyncio.subprocess.PIPE if terminal is None else terminal
    return await asyncio.create_subprocess_exec(
        *COMMAND,
        *words,
        stdin=streams,
        stdout=streams,
        stderr=streams,
        cwd="/",
        env=environment(home, given, control.fileno()),
        pass_fds=(control.fileno(),),
        start_new_session=True,
        preexec_fn=partial(_before, terminal is not None),
    )


def _before(has_terminal: bool) -> None:
    """In the child: it ends when we do, and Ctrl+C on its terminal is its own."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGHUP)
    if has_terminal:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)


async def end(child: asyncio.subprocess.Process) -> None:
    """End it with all that it started: asked first, then killed."""
    for number in (signal.SIGHUP, signal.SIGKILL):
        if child.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, number)
        with suppress(TimeoutError):
            await asyncio.wait_for(child.wait(), GRACE)
            return
