"""The settings of `limits`: what a client may cost, and how patient this node is.

Must never be more than the form: what the settings mean is the catalogue's.
"""

from __future__ import annotations

from typing import ClassVar

from tui.place import Place
from tui.settings import SettingsScreen


class Limits(SettingsScreen):
    """The form."""

    place: ClassVar[str] = "limits"
    of: ClassVar[str] = "limits"


PLACE = Place("limits", "Limits", "What a client may cost, and how patient this node is.", Limits, order=80)
