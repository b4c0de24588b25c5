"""What this process has in memory and open is its own: no process of the same user may read or take it.

prctl(2), PR_SET_DUMPABLE: 0 keeps ptrace, pidfd_getfd, /proc/PID/mem and /proc/PID/fd from all but root. It ends with
exec, so each program says it for itself.
"""

from __future__ import annotations

import ctypes
from typing import Final

_PR_SET_DUMPABLE: Final = 4


def become_undumpable() -> None:
    """From now on. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "cannot keep this process' memory from others")
