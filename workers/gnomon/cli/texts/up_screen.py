"""Shows ``gnomon up`` on a terminal as a live screen, elsewhere as a line whenever something changed."""

import time
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live

from gnomon.up.view import line, looking, screen, sending, summary

if TYPE_CHECKING:
    from gnomon.up.run import Show
    from gnomon.up.view import Shown

LINE_EVERY_S = 1.0
"""Least time between two lines of counts."""


class Screen:
    """A context that gives what shows a state."""

    def __init__(self) -> None:
        console = Console()
        self._live = Live(console=console, refresh_per_second=4) if console.is_terminal else None
        self._health: dict[str, tuple[str, int]] | None = None
        self._counted: tuple[str | int, ...] = ()
        self._next_s = 0.0

    def __enter__(self) -> "Show":
        if self._live is not None:
            self._live.start()
        return self._show

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def _show(self, shown: "Shown") -> None:
        if self._live is not None:
            self._live.update(screen(shown))
            return
        if self._health is None:
            print("\n".join([*sending(shown), *looking(shown)]), flush=True)
            self._health = {}
        for each in shown.health:
            if self._health.get(each.name) != (each.word, each.restarts):
                self._health[each.name] = each.word, each.restarts
                print(each.line, flush=True)
        state = shown.pipeline
        told = summary(shown.health)
        counted = told, state.events, state.ledger.predictions, state.ledger.matched
        if counted != self._counted and time.monotonic() >= self._next_s:
            self._counted, self._next_s = counted, time.monotonic() + LINE_EVERY_S
            print(line(shown), flush=True)
