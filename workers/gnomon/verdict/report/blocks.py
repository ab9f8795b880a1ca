"""Makes the blocks of the report as HTML: tables, figures, and what stands in place of missing data."""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape, unescape
from typing import Final

from gnomon.verdict.report import svg

_SHORT: Final = 26
"""A cell of at most so many characters is kept on one line."""
_TAG: Final = re.compile("<[^>]*>")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table whose cells are already HTML.

    Each cell repeats its column's name, because a narrow screen shows cells below one another.
    """
    top = "".join(f"<th>{escape(each)}</th>" for each in head)
    body = "\n".join(f"<tr>{_cells(head, row)}</tr>" for row in rows)
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def _cells(head: Sequence[str], row: Sequence[str]) -> str:
    return "".join(
        f'<td{_kind(cell)} data-label="{escape(name)}">{cell}</td>'
        for name, cell in zip(head, row, strict=True)
    )


def _kind(cell: str) -> str:
    is_short = len(unescape(_TAG.sub("", cell))) <= _SHORT
    return ' class="short"' if is_short else ""


def figure(picture: svg.Picture, caption: str, *, is_tall: bool = False) -> str:
    """Return a chart with its caption; a tall one has two others beside it, where there is room."""
    kind = ' class="tall"' if is_tall else ""
    return f"<figure{kind}>{picture.svg()}<figcaption>{escape(caption)}</figcaption></figure>"


def figures(drawn: Iterable[str]) -> str:
    """Return charts side by side, where there is room; empty if there are none."""
    found = [each for each in drawn if each]
    return f'<div class="figures">{"".join(found)}</div>' if found else ""


def empty(text: str) -> str:
    """Return a paragraph that states why there is nothing to see, and what to do."""
    return f'<p class="empty">{escape(text)}</p>'


def word(text: str, kind: str) -> str:
    """Return ``text`` on a coloured ground; ``kind`` is ``good``, ``bad`` or ``faint``."""
    return f'<span class="word {kind}">{escape(text)}</span>'


def coloured(text: str, kind: str) -> str:
    """Return ``text`` in the colour of ``kind``."""
    return f'<span class="{kind}">{escape(text)}</span>'


def moment(at_ms: int) -> str:
    """Format a time as text; 0 is the time of a file without records."""
    if not at_ms:
        return "no time"
    return f"{datetime.fromtimestamp(at_ms / 1000, tz=UTC):%Y-%m-%d %H:%M} UTC"
