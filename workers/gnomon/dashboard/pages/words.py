"""The colour of each word of a verdict."""

from collections.abc import Mapping
from typing import Final, Literal

COLOURS: Final[Mapping[str, Literal["green", "red", "blue"]]] = {
    "GO": "green",
    "NO-GO": "red",
    "STOP-HARM": "red",
    "CONTINUE": "blue",
}
