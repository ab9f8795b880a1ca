"""``gnomon baseline``: stores the metrics of a first period, and compares later ones with them."""

import argparse
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from gnomon.errors import ConfigurationError
from gnomon.settings import Settings
from gnomon.text_table import aligned

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gnomon.comparison.metrics.period import GroupFigures, PeriodFigures

_HEAD = ("group", "ended", "mean s", "median s", "p90 s", "errors", "reviews", "deployed")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.description = (
        "With --since: completion times, error rates, review iterations and deployment success of"
        " the tasks that ended in that period, by agent and task type; they are kept as the"
        " baseline. Without: the baseline that was kept, beside the tasks that ended after it."
    )
    parser.add_argument("--since", type=_time, metavar="T", help="first instant, ISO 8601, UTC")
    parser.add_argument("--until", type=_time, metavar="T", help="instant after the last (now)")
    parser.add_argument(
        "--pairs", action="store_true", help="also one row for each agent and task type"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.epilog = "example: gnomon baseline --since 2026-11-02 --until 2026-11-09"


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Compute the metrics of one period and store them, or compare stored ones with the time since.

    Raises:
        ConfigurationError: No baseline was kept, there is no store, or its key is another.
        StoreUnavailableError: The store does not answer.
    """
    now_ms = time.time_ns() // 1_000_000
    path = Path(settings.data_dir) / "baseline.json"
    until_ms = now_ms if options.until is None else options.until
    if options.since is None:
        kept = _read(path)
        later = _figures(settings, since_ms=kept.until_ms, until_ms=until_ms)
        _show(kept, later, options)
        return 0
    if options.since >= until_ms:
        raise ConfigurationError("--since must be before --until")
    figures = _figures(settings, since_ms=options.since, until_ms=until_ms)
    if not figures.groups[0].ended:
        raise ConfigurationError(
            "no task ended in that period, nothing was kept: gnomon vault stats says when tasks ended"
        )
    _write(path, figures)
    _show(figures, None, options)
    return 0


def _figures(settings: Settings, *, since_ms: int, until_ms: int) -> "PeriodFigures":
    from gnomon.cli.texts.progress import progress  # noqa: PLC0415
    from gnomon.comparison.metrics.period import figures_of_period  # noqa: PLC0415
    from gnomon.operations.vaults.vault_reader import VaultReader  # noqa: PLC0415  brings SQLAlchemy

    reader = VaultReader(settings, command="gnomon baseline")
    try:
        with progress() as on_progress:
            decisions = reader.decisions(
                ended_since_ms=since_ms, ended_before_ms=until_ms, on_progress=on_progress
            )
            figures = figures_of_period(decisions, since_ms=since_ms, until_ms=until_ms)
        return msgspec.structs.replace(figures, unreadable=reader.unreadable.total())
    finally:
        reader.close()


def _read(path: Path) -> "PeriodFigures":
    from gnomon.comparison.metrics.period import PeriodFigures  # noqa: PLC0415

    try:
        return msgspec.json.decode(path.read_bytes(), type=PeriodFigures)
    except FileNotFoundError:
        raise ConfigurationError(
            "no baseline was kept yet: gnomon baseline --since DATE --until DATE makes one"
        ) from None
    except msgspec.DecodeError as error:
        raise ConfigurationError(f"{path} is no baseline: {error}") from error


def _write(path: Path, figures: "PeriodFigures") -> None:
    """Replace the file in one step; it contains names of agents, so only its owner may read it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(f".{os.getpid()}")
    unfinished.touch(mode=0o600)
    unfinished.write_bytes(msgspec.json.format(msgspec.json.encode(figures), indent=1))
    unfinished.replace(path)


def _show(
    kept: "PeriodFigures", later: "PeriodFigures | None", options: argparse.Namespace
) -> None:
    if options.json:
        both = {"baseline": kept} if later is None else {"baseline": kept, "later": later}
        sys.stdout.write(msgspec.json.encode(both).decode() + "\n")
        return
    print(f"baseline  {_utc(kept.since_ms)} to {_utc(kept.until_ms)}")
    if later is not None:
        print(f"later     {_utc(later.since_ms)} to {_utc(later.until_ms)}")
    print()
    print(_table(kept, later, pairs=options.pairs))
    for name, figures in (("baseline", kept), ("later", later)):
        if figures is not None and figures.unreadable:
            print(f"{name}: {figures.unreadable} decisions could not be opened and are left out")
        if figures is not None and figures.left_out:
            print(
                f"{name}: {figures.left_out} tasks are of too many groups: they count in all only"
            )


def _table(kept: "PeriodFigures", later: "PeriodFigures | None", *, pairs: bool) -> str:
    after = {_name(group): group for group in later.groups} if later is not None else {}
    rows: list[Sequence[str]] = [_HEAD]
    before = {_name(group): group for group in kept.groups}
    for name, group in {**after, **before}.items():
        if group.kind == "agent_and_task_type" and not pairs:
            continue
        if name in before:
            rows.append(_cells(name, before[name]))
        if name in after:
            rows.append(_cells(f"{name}, later", after[name]))
    return aligned(rows)


def _name(group: "GroupFigures") -> str:
    if group.kind == "all":
        return "all"
    named = [f"agent {group.agent_id}"] if group.agent_id is not None else []
    return ", ".join(
        [*named, *([f"type {group.task_type}"] if group.task_type is not None else [])]
    )


def _cells(name: str, group: "GroupFigures") -> tuple[str, ...]:
    return (
        "".join(letter if letter.isprintable() else "?" for letter in name),
        str(group.ended),
        _number(group.mean_s),
        _number(group.median_s),
        _number(group.p90_s),
        _percent(group.error_rate),
        _number(group.mean_review_iterations),
        _percent(group.deployment_success_rate),
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.4g}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _utc(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d %H:%M} UTC"


def _time(text: str) -> int:
    try:
        given = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no date or time, expected for example 2026-11-02 or 2026-11-02T08:00"
        ) from None
    return round((given if given.tzinfo else given.replace(tzinfo=UTC)).timestamp() * 1000)
