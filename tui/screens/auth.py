"""The settings of `auth`: who decides whether a password is right.

Must never be more than the form: what the settings mean is the catalogue's.
"""

from __future__ import annotations

from typing import ClassVar

from tui.place import Place
from tui.settings import SettingsScreen


class Auth(SettingsScreen):
    """The form."""

    place: ClassVar[str] = "auth"
    of: ClassVar[str] = "auth"


PLACE = Place("auth", "Log-in", "Who decides whether a password is right.", Auth, order=82)
