"""The settings of `metrics`: where Prometheus gets its figures.

Must never be more than the form: what the settings mean is the catalogue's.
"""

from __future__ import annotations

from typing import ClassVar

from tui.place import Place
from tui.settings import SettingsScreen


class Metrics(SettingsScreen):
    """The form."""

    place: ClassVar[str] = "metrics"
    of: ClassVar[str] = "metrics"


PLACE = Place("metrics", "Metrics", "Where Prometheus gets its figures.", Metrics, order=83)
