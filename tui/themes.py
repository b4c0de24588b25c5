"""How it looks: one accent for what is selected, grey for what is normal, amber and red only beside a word.

Three themes: dark, light, and one of the terminal's own 16 colours. Contrast of text is 7:1 or more in the first two.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from textual.theme import Theme

DARK: Final = Theme(
    name="postern-dark",
    primary="#6cb6ff",
    secondary="#8b98a9",
    accent="#6cb6ff",
    foreground="#d6dde6",
    background="#10151c",
    surface="#161d26",
    panel="#1f2833",
    success="#7ec699",
    warning="#f0b35a",
    error="#ff8a80",
    dark=True,
    variables={
        "footer-key-foreground": "#6cb6ff",
        "block-cursor-background": "#24476b",
        "block-cursor-foreground": "#ffffff",
    },
)
LIGHT: Final = Theme(
    name="postern-light",
    primary="#0b57a4",
    secondary="#5a6572",
    accent="#0b57a4",
    foreground="#1b222b",
    background="#fbfcfd",
    surface="#f1f4f7",
    panel="#e3e8ee",
    success="#1d6b3a",
    warning="#8a5200",
    error="#a81f1f",
    dark=False,
    variables={
        "footer-key-foreground": "#0b57a4",
        "block-cursor-background": "#cfe3f7",
        "block-cursor-foreground": "#1b222b",
    },
)
# The terminal's own colours: chosen for terminals that have no more than 16, and for those who have made their own.
PLAIN: Final = Theme(
    name="postern-16",
    primary="ansi_blue",
    secondary="ansi_bright_black",
    accent="ansi_cyan",
    foreground="ansi_default",
    background="ansi_default",
    surface="ansi_default",
    panel="ansi_default",
    success="ansi_green",
    warning="ansi_yellow",
    error="ansi_red",
    boost="ansi_default",
    dark=True,
    ansi=True,
    variables={
        "ansi-background": "ansi_black",
        "ansi-foreground": "ansi_white",
        "border-blurred": "ansi_bright_black",
        "block-cursor-foreground": "ansi_black",
        "block-cursor-background": "ansi_cyan",
        "input-cursor-background": "ansi_white",
        "input-cursor-foreground": "ansi_black",
        "input-selection-background": "ansi_cyan",
        "input-selection-foreground": "ansi_black",
        "screen-selection-background": "ansi_cyan",
        "screen-selection-foreground": "ansi_black",
    },
)
COLOURS: Final = ("error", "warning", "success", "secondary", "accent")
THEMES: Final = (DARK, LIGHT, PLAIN)


def theme_for(environment: Mapping[str, str]) -> str:
    """What the terminal can show."""
    if "COLORTERM" in environment or "256color" in environment.get("TERM", ""):
        return DARK.name
    return PLAIN.name


def colour(theme: Theme, name: str) -> str:
    """One of COLOURS as this theme has it, for a part of a text; anything else as it is."""
    return str(getattr(theme, name)).removeprefix("ansi_") if name in COLOURS else name
