"""Formats figures, times and foreign ids for people."""

import string
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

MOST_CHARACTERS: Final = 60
NOTHING: Final = "-"
_WORD_JOINER: Final = "\u2060"
"""Has no width. Behind a colon it keeps Streamlit from reading ``:name:`` as an icon."""
_PUNCTUATION: Final = frozenset(string.punctuation)

MS: Final = 1_000
_MINUTE_S: Final = 60
_HOUR_S: Final = 3_600
_DAY_S: Final = 86_400
_SMALL: Final = (("s", 0.1), ("ms", 1e-3), ("µs", 1e-9))
_PER_S: Final = {"s": 1.0, "ms": 1e3, "µs": 1e6}
_UNITS: Final = (("min", _MINUTE_S), ("h", _HOUR_S))
_MOST_OF_UNIT: Final = 120


def shortened(text: str, most: int = MOST_CHARACTERS) -> str:
    """Return a foreign text in at most ``most`` characters, each of them printable."""
    cut = text if len(text) <= most else f"{text[: most - 1]}…"
    return "".join(c if c.isprintable() else "?" for c in cut)


def in_markdown(text: str, most: int = MOST_CHARACTERS) -> str:
    """Return a foreign text so that Markdown shows it as it is: no markup, HTML, link or icon."""
    escaped = "".join(f"\\{c}" if c in _PUNCTUATION else c for c in shortened(text, most).strip())
    return escaped.replace("\\:", f"\\:{_WORD_JOINER}")


def share(value: float | None, *, signed: bool = False) -> str:
    """Return a share between 0 and 1 in percent."""
    if value is None:
        return NOTHING
    return f"{100 * value:+.1f} %" if signed else f"{100 * value:.1f} %"


def seconds(value: float | None) -> str:
    """Return a duration with three digits, in the unit that suits it."""
    if value is None:
        return NOTHING
    if value < _MINUTE_S:
        unit = next((unit for unit, least_s in _SMALL if value >= least_s), "s")
        return f"{value * _PER_S[unit]:.3g} {unit}"
    unit, length = next(((u, n) for u, n in _UNITS if value < _MOST_OF_UNIT * n), ("d", _DAY_S))
    return f"{value / length:.3g} {unit}"


def millis(value: float | None, *, signed: bool = False) -> str:
    """Return milliseconds with one decimal."""
    if value is None:
        return NOTHING
    return f"{value:+.1f} ms" if signed else f"{value:.1f} ms"


def count(value: int | None) -> str:
    """Return a number with separators between thousands."""
    return NOTHING if value is None else f"{value:,}"


def age(then_ms: int, now_ms: int) -> str:
    """Return how old something is, in whole units."""
    passed_s = max(0, now_ms - then_ms) // MS
    if passed_s < _MOST_OF_UNIT:
        return f"{passed_s} s"
    unit, length = next(((u, n) for u, n in _UNITS if passed_s < _MOST_OF_UNIT * n), ("d", _DAY_S))
    return f"{passed_s // length} {unit}"


def ago(then_ms: int, now_ms: int) -> str:
    """Return how long ago something was."""
    return "now" if now_ms - then_ms < MS else f"{age(then_ms, now_ms)} ago"


def zone_of(name: str | None) -> ZoneInfo:
    """Return the time zone that a browser names; UTC if it names none that is known."""
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


def clock(at_ms: int | None, zone: ZoneInfo) -> str:
    """Return a time in the reader's zone, to the minute, with the zone's name."""
    if at_ms is None:
        return "never"
    try:
        at = datetime.fromtimestamp(at_ms / 1_000, UTC).astimezone(zone)
    except (OverflowError, ValueError, OSError):  # clocks of agents may be absurd
        return f"{at_ms} ms"
    return f"{at:%Y-%m-%d %H:%M %Z}"
