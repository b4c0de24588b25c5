"""The settings of `site`: our domains, and how a log-in name becomes an address.

Must never be more than the form: what the settings mean is the catalogue's.
"""

from __future__ import annotations

from typing import ClassVar

from tui.place import Place
from tui.settings import SettingsScreen


class Site(SettingsScreen):
    """The form."""

    place: ClassVar[str] = "site"
    of: ClassVar[str] = "site"


PLACE = Place("site", "Site", "Our domains, and how a log-in name becomes an address.", Site, order=81)
