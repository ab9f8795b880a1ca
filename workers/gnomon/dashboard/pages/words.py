"""How a verdict's word is drawn."""

from collections.abc import Mapping
from typing import Final

COLOURS: Final[Mapping[str, str]] = {
    "GO": "green",
    "NO-GO": "red",
    "STOP-HARM": "red",
    "CONTINUE": "blue",
}


def word(text: str) -> str:
    """Return a word as Markdown that has its colour."""
    return f":{COLOURS.get(text, 'gray')}-background[**{text}**]"
