"""Shows on a terminal how far long work is, and how long it will take; says nothing anywhere else."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from gnomon.long_work import ProgressCallback

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID


@contextmanager
def progress(console: "Console | None" = None) -> Iterator[ProgressCallback]:
    """Yield the callback that shows each step of the work.

    Args:
        console: Where to show it; by default standard error.
    """
    if console is None and not sys.stderr.isatty():
        yield lambda _what, _done, _total: None
        return
    from rich import progress as rich_progress  # noqa: PLC0415  not in an agent's installation
    from rich.console import Console  # noqa: PLC0415

    shown = rich_progress.Progress(
        rich_progress.TextColumn("{task.description}"),
        rich_progress.BarColumn(),
        rich_progress.MofNCompleteColumn(),
        rich_progress.TimeElapsedColumn(),
        rich_progress.TextColumn("left"),
        rich_progress.TimeRemainingColumn(),
        console=console or Console(stderr=True),
        transient=True,
    )
    with shown:
        yield _teller(shown)


def _teller(shown: "Progress") -> Callable[[str, int, int | None], None]:
    """Return what shows one step after another, each with a bar of its own."""
    steps: dict[str, TaskID] = {}

    def on_progress(what: str, done: int, total: int | None) -> None:
        if what not in steps:
            for step in steps.values():
                shown.update(step, visible=False)
            steps[what] = shown.add_task(what, total=total)
        shown.update(steps[what], completed=done, total=total)

    return on_progress
