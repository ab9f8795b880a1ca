"""Draws small charts as inline SVG: a frame with axes, and marks in the units of the data.

Marks have a class for their colour (``page.STYLE`` has the colours for light, dark and paper) and are
drawn in ``currentColor``.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Final, Literal

WIDTH: Final = 460
HEIGHT: Final = 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 16, 12, 44
_LETTER: Final = 4.2
"""Half the width of a character, at most."""
Colour = Literal["model", "second", "faint", "good", "bad"]


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis from ``low`` to ``high``, with ticks (position and text)."""

    low: float
    high: float
    ticks: Sequence[tuple[float, str]]
    title: str


@dataclass(slots=True)
class Picture:
    """A frame for marks; marks outside it are cut off at its edge."""

    x: Axis
    y: Axis
    label: str
    height: int = HEIGHT
    left: int = _LEFT
    _marks: list[str] = field(default_factory=list)

    def across(self, value: float) -> float:
        """Convert data to pixels from the left."""
        return _scaled(value, self.x, self.left, WIDTH - _RIGHT)

    def up(self, value: float) -> float:
        """Convert data to pixels from the top."""
        return _scaled(value, self.y, self.height - _BOTTOM, _TOP)

    def line(
        self, points: Iterable[tuple[float, float]], colour: Colour, *, dashed: bool = False
    ) -> None:
        """Draw a line through points."""
        path = " ".join(f"{self.across(x):.1f},{self.up(y):.1f}" for x, y in points)
        dash = ' stroke-dasharray="5 4"' if dashed else ""
        self._marks.append(
            f'<polyline class="{colour}" points="{path}" fill="none" stroke="currentColor"'
            f' stroke-width="1.5"{dash}/>'
        )

    def band(self, points: Sequence[tuple[float, float, float]], colour: Colour) -> None:
        """Fill the area between two values at each position."""
        outline = [(x, low) for x, low, _ in points] + [(x, high) for x, _, high in points[::-1]]
        path = " ".join(f"{self.across(x):.1f},{self.up(y):.1f}" for x, y in outline)
        self._marks.append(
            f'<polygon class="{colour}" points="{path}" fill="currentColor" fill-opacity="0.18"/>'
        )

    def dot(self, x: float, y: float, colour: Colour, radius: float = 3.5) -> None:
        """Draw a point."""
        self._marks.append(
            f'<circle class="{colour}" cx="{self.across(x):.1f}" cy="{self.up(y):.1f}"'
            f' r="{radius:.1f}" fill="currentColor"/>'
        )

    def box(
        self, place: tuple[float, float, float, float], colour: Colour, *, opacity: float = 1.0
    ) -> None:
        """Fill a rectangle between two corners (x, y)."""
        left, right = sorted((self.across(place[0]), self.across(place[2])))
        top, bottom = sorted((self.up(place[1]), self.up(place[3])))
        self._marks.append(
            f'<rect class="{colour}" x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}"'
            f' height="{bottom - top:.1f}" fill="currentColor" fill-opacity="{opacity:.2f}"/>'
        )

    def svg(self) -> str:
        """Return the chart as an SVG element."""
        right, bottom = WIDTH - _RIGHT, self.height - _BOTTOM
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {WIDTH} {self.height}">',
            f"<title>{escape(self.label)}</title>",
            f'<rect class="frame" x="{self.left}" y="{_TOP}" width="{right - self.left}"'
            f' height="{bottom - _TOP}" fill="none" stroke="currentColor"/>',
            *(_below(self.across(at), bottom + 16, text) for at, text in self.x.ticks),
            *(_tick(self.left - 6, self.up(at) + 4, text, "end") for at, text in self.y.ticks),
            _tick((self.left + right) / 2, self.height - 8, self.x.title, "middle"),
            *self._marks,
            "</svg>",
        ]
        return "\n".join(parts)


def percents(low: float, high: float, title: str) -> Axis:
    """Return an axis of shares in per cent, with about six ticks."""
    steps = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
    step = next((step for step in steps if (high - low) / step <= 8), 5.0)  # noqa: PLR2004
    marks = [step * k for k in range(-int(-low // step), int(high // step) + 1)]
    return Axis(low, high, [(at, f"{100 * at:.0f} %") for at in marks], title)


def numbered(
    low: float, high: float, at: Iterable[float], title: str, shown: Callable[[float], str]
) -> Axis:
    """Return an axis with ticks at given positions."""
    return Axis(low, high, [(each, shown(each)) for each in at], title)


def listed(names: Sequence[str], longest: int = 20) -> Axis:
    """Return a vertical axis with one name at each whole number, the first at the top."""
    ticks = [
        (-place, name if len(name) <= longest else f"{name[: longest - 1]}…")
        for place, name in enumerate(names)
    ]
    return Axis(0.5 - len(names), 0.5, ticks, "")


def _scaled(value: float, axis: Axis, start: float, end: float) -> float:
    width = axis.high - axis.low or 1.0
    share = (min(max(value, axis.low), axis.high) - axis.low) / width
    return start + share * (end - start)


def _below(x: float, y: float, text: str) -> str:
    """Return the text of a tick of the horizontal axis, moved to the left if it were cut off."""
    return _tick(min(x, WIDTH - _LETTER * len(text)), y, text, "middle")


def _tick(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
