"""What is said when the console itself fails: a number to find it by, the place, and never a value.

Textual's own report prints local variables, and with them passwords.
"""

from __future__ import annotations

import traceback

from rich.text import Text


def told(error: BaseException, number: str) -> Text:
    """The lines."""
    error = getattr(error, "error", error)  # of a worker: what happened in it
    frames = traceback.extract_tb(error.__traceback__)[-6:]
    lines = [f"The console failed ({type(error).__name__}, {number}). The node and its mail are not touched by this."]
    lines += [f"  {frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
    return Text("\n".join([*lines, "Open it again; `postern` does the same on the command line."]))
