"""Draws small charts as inline SVG: a frame with axes, and marks in the units of the data."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Final

WIDTH: Final = 640
HEIGHT: Final = 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 14, 12, 42
BLUE, GREY, RED, GREEN = "#1f5f99", "#8a8f98", "#b3261e", "#1e7b34"


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
        self, points: Iterable[tuple[float, float]], colour: str, *, dashed: bool = False
    ) -> None:
        """Draw a line through points."""
        path = " ".join(f"{self.across(x):.1f},{self.up(y):.1f}" for x, y in points)
        dash = ' stroke-dasharray="5 4"' if dashed else ""
        self._marks.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"{dash}/>'
        )

    def band(self, points: Sequence[tuple[float, float, float]], colour: str) -> None:
        """Fill the area between two values at each position."""
        outline = [(x, low) for x, low, _ in points] + [(x, high) for x, _, high in points[::-1]]
        path = " ".join(f"{self.across(x):.1f},{self.up(y):.1f}" for x, y in outline)
        self._marks.append(f'<polygon points="{path}" fill="{colour}" fill-opacity="0.18"/>')

    def dot(self, x: float, y: float, colour: str, radius: float = 3.5) -> None:
        """Draw a point."""
        self._marks.append(
            f'<circle cx="{self.across(x):.1f}" cy="{self.up(y):.1f}" r="{radius:.1f}" fill="{colour}"/>'
        )

    def box(
        self, place: tuple[float, float, float, float], colour: str, *, opacity: float = 1.0
    ) -> None:
        """Fill a rectangle between two corners (x, y)."""
        left, right = sorted((self.across(place[0]), self.across(place[2])))
        top, bottom = sorted((self.up(place[1]), self.up(place[3])))
        self._marks.append(
            f'<rect x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}"'
            f' height="{bottom - top:.1f}" fill="{colour}" fill-opacity="{opacity:.2f}"/>'
        )

    def svg(self) -> str:
        """Return the chart as an SVG element."""
        right, bottom = WIDTH - _RIGHT, self.height - _BOTTOM
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {WIDTH} {self.height}">',
            f"<title>{escape(self.label)}</title>",
            f'<rect x="{self.left}" y="{_TOP}" width="{right - self.left}" height="{bottom - _TOP}"'
            ' fill="none" stroke="#ccd0d6"/>',
            *(_tick(self.across(at), bottom + 15, text, "middle") for at, text in self.x.ticks),
            *(_tick(self.left - 6, self.up(at) + 4, text, "end") for at, text in self.y.ticks),
            _tick((self.left + right) / 2, self.height - 6, self.x.title, "middle"),
            _tick(4, _TOP - 1, self.y.title, "start"),
            *self._marks,
            "</svg>",
        ]
        return "\n".join(parts)


def percents(low: float, high: float, title: str) -> Axis:
    """Return an axis of shares in per cent, with about six ticks."""
    step = next(s for s in (0.05, 0.1, 0.2, 0.5, 1.0, 5.0) if (high - low) / s <= 8 or s == 5.0)  # noqa: PLR2004
    first = -int(-low // step)
    marks = [step * k for k in range(first, int(high // step) + 1)]
    return Axis(low, high, [(at, f"{100 * at:.0f} %") for at in marks], title)


def numbered(
    low: float, high: float, at: Iterable[float], title: str, shown: Callable[[float], str]
) -> Axis:
    """Return an axis with ticks at given positions."""
    return Axis(low, high, [(each, shown(each)) for each in at], title)


def _scaled(value: float, axis: Axis, start: float, end: float) -> float:
    width = axis.high - axis.low or 1.0
    share = (min(max(value, axis.low), axis.high) - axis.low) / width
    return start + share * (end - start)


def _tick(x: float, y: float, text: str, anchor: str) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="11"'
        f' fill="#444">{escape(text)}</text>'
    )
