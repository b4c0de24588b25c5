"""`--try SECONDS`: a change that the node takes back by itself, unless whoever made it can still say "keep"."""

from __future__ import annotations

from typing import Final

import click
import msgspec

from appliance.control.api import Done, Request
from appliance.control.api.trial import Try

TRY: Final = click.option(
    "--try", "seconds", type=float, metavar="SECONDS",
    help="The node takes it back after so long, unless `postern config keep` is typed before.",
)  # fmt: skip


def on_trial(request: Request, seconds: float | None) -> Request:
    """The request itself, or the one that tries it."""
    return request if seconds is None else Try(msgspec.to_builtins(request), seconds)


def outcome(done: Done, seconds: float | None) -> Done:
    """What the request itself would have answered; a remark on what ends the trial."""
    if seconds is None:
        return done
    click.echo(
        f"postern: taken back in {seconds:g} s unless you type `postern config keep` before;"
        " `postern config give-up` takes it back now", err=True,
    )  # fmt: skip
    return Done({**done.value["done"], "trial": done.value["id"], "until": done.value["until"]}, done.note)
