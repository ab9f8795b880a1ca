"""What the measurements with different numbers of partitions come to: tables, ratios and targets. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from statistics import median

from benchmarks.harness.report import (
    ALL_STAGES,
    FEATURES,
    SHORTEST_SPAN_S,
    Run,
    Runs,
    Target,
    ratio,
)

from gnomon.stages import STAGES
from gnomon.text_table import aligned

FEW, MANY = 2, 32
FEW_OF = {ALL_STAGES: FEW, FEATURES: 4}
"""The number of partitions with which the rate at ``MANY`` is compared."""
LONG_SPAN_S = 10.0
"""A ratio of shorter measurements is marked: it is for trying, not for the record."""
P99_MS = {2: (80.0, 45.0), 4: (80.0, 45.0), 32: (100.0, 50.0), 96: (150.0, 60.0)}
"""What must be reached, and the goal, by number of partitions."""

Delays = Mapping[int, Sequence[Mapping[str, float]]]
"""What ``latency.measure`` returned with usage, by number of partitions."""

TARGETS = (
    *(
        Target(name=f"p99_ms_at_{count}", unit="ms", must=must, goal=goal, less=True)
        for count, (must, goal) in P99_MS.items()
    ),
    Target(name="all_stages_32_to_2", unit="x", must=0.9, goal=1.0),
    Target(name="features_32_to_4", unit="x", must=0.9, goal=1.0),
    Target(name="cpu_32_to_2", unit="x", must=1.2, goal=1.0, less=True),
    *(
        Target(name=f"tx_{stage}_32_to_2", unit="x", must=1.2, goal=1.0, less=True)
        for stage in STAGES
    ),
)
"""The number of transactions should not depend on that of partitions. It varies with the load like the
processor time, so it has the same limit.
"""


def name_of(stage: str, count: int) -> str:
    """Return under which name the runs with ``count`` partitions are kept."""
    return f"{stage} at {count}"


def usage_tables(taken: Delays) -> Iterator[str]:
    """Lines: for each number of partitions the medians of its turns."""
    taken_turns = len(next(iter(taken.values())))
    yield f"start to readable prediction, processor time a second; medians of {taken_turns} turns"
    rows = [["partitions", "p50 ms", "p99 ms", "of turns", "never", "broker", "workers", *STAGES]]
    for count, turns in sorted(taken.items()):
        p99 = [turn["p99"] for turn in turns]
        rows.append(
            [
                str(count),
                f"{middle(turns, 'p50'):,.1f}",
                f"{median(p99):,.1f}",
                f"{min(p99):,.0f}-{max(p99):,.0f}",
                f"{sum(turn['unread'] for turn in turns):.0f}",
                *(f"{middle(turns, f'cpu_{who}'):.2f}" for who in ("broker", "workers", *STAGES)),
            ]
        )
    yield aligned(rows)
    for what, form in (("transactions", ",.1f"), ("connections", ".0f")):
        yield f"{what} {'a second' if what == 'transactions' else 'to Kafka'}, by stage"
        by_stage = [
            [str(count), *(format(middle(turns, f"{what}_{stage}"), form) for stage in STAGES)]
            for count, turns in sorted(taken.items())
        ]
        yield aligned([["partitions", *STAGES], *by_stage])


def found(taken: Delays, runs: Runs, *, seconds: float) -> dict[str, float]:
    """Return the figures that have a target and were measured for long enough."""
    figures = {
        f"p99_ms_at_{count}": middle(turns, "p99")
        for count, turns in taken.items()
        if count in P99_MS
    }
    if FEW in taken and MANY in taken and seconds >= SHORTEST_SPAN_S:
        few, many = taken[FEW], taken[MANY]
        figures["cpu_32_to_2"] = _cpu(many) / _cpu(few)
        for stage in STAGES:
            name = f"transactions_{stage}"
            if middle(few, name) > 0:
                figures[f"tx_{stage}_32_to_2"] = middle(many, name) / middle(few, name)
    for stage, name in ((ALL_STAGES, "all_stages_32_to_2"), (FEATURES, "features_32_to_4")):
        if times := ratio(runs, name_of(stage, MANY), name_of(stage, FEW_OF[stage])):
            figures[name] = times
    return figures


def remarks(taken: Delays, runs: Runs, *, seconds: float) -> Iterator[str]:
    """Lines: how long each was measured, and what is too short or failed."""
    for count, turns in taken.items():
        unread = sum(turn["unread"] for turn in turns)
        if unread:
            yield f"{count} partitions: {unread:.0f} tasks NEVER PREDICTED; delays are of the others"
    if taken:
        yield f"delays: {seconds:.1f} s each{_short(seconds)}"
    for name, measured in runs.items():
        shortest_s = min(run.rate.span_s for run in measured)
        speeds = ", ".join(f"{run.events_per_s:,.0f}" for run in measured)
        yield f"{name}: {speeds} events/s; shortest span {shortest_s:.1f} s{_short(shortest_s)}{_failed(measured)}"


def middle(turns: Sequence[Mapping[str, float]], name: str) -> float:
    """Return the median of a figure over the turns."""
    return median(turn[name] for turn in turns)


def _cpu(turns: Sequence[Mapping[str, float]]) -> float:
    return median(turn["cpu_broker"] + turn["cpu_workers"] for turn in turns)


def _short(span_s: float) -> str:
    return "" if span_s >= LONG_SPAN_S else f"; SHORTER than {LONG_SPAN_S:.0f} s"


def _failed(turns: Sequence[Run]) -> str:
    undone = sum(not run.rate.done for run in turns)
    wrong = [run.verdict for run in turns if not run.right]
    return "".join([f"; {undone} NOT DONE" if undone else "", *(f"; WRONG: {v}" for v in wrong)])
