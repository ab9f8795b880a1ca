"""Tables and verdicts of the results of ``benchmarks.client``.

Costs are multiples of the cost of an empty call in the same process, which had the same noise; only
such multiples are compared. The tables are per call and the targets per event: a ``with task`` is
two events, so the target holds for half of its cost.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

UP, REFUSED, STOPPED = "up", "refused", "stopped"
MOST_TIMES_EMPTY, GOAL_TIMES_EMPTY, TIMES_CHEAPER = 12.0, 8.0, 20.0
SAME, NOISE = 1.1, 1.5
"""What counts as no difference at least, and the noise in which none could be seen."""

Found = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One kind of call in one state of what is behind it.

    Attributes:
        speaks: What is behind it: ``kafka``, ``http`` or nothing.
        events: How many a call is.
        bulk: How many events processor time and memory are measured with, all of them delivered.
    """

    name: str
    target: str
    backend: str = "-"
    speaks: str = ""
    packages: Sequence[str] = ()
    events: int = 1
    bulk: int = 0

    @property
    def label(self) -> str:
        return f"{self.name}, {self.backend}" if self.backend != "-" else self.name

    @property
    def is_ours(self) -> bool:
        return self.target.startswith("gnomon")


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether something that must hold was seen to hold."""

    text: str
    word: str

    @property
    def holds(self) -> bool:
        return self.word != "NO"

    def __str__(self) -> str:
        return f"{self.text}: {self.word}"


def times_empty(found: Found, how: str, share: str = "p50") -> float:
    """A percentile as a multiple of the empty call's in the same process; the median turn by turn."""
    if share == "p50":
        return float(found[how]["times_empty"])
    return float(found[how]["call"][share] / found[how]["empty"][share])


def calls_table(found: Mapping[str, Found]) -> Iterator[str]:
    """Lines: one row each, in microseconds but for the longest call, which is in milliseconds."""
    yield (
        f"{'us a call':<33}{'accepted/attempts':>18}{'paced p50':>10}{'p99':>7}{'p99.9':>7}"
        f"{'max ms':>7}{'empty':>6}{'p50 x':>6}{'p99 x':>6}"
        f"{'unpaced':>8}{'p99':>7}{'max ms':>7}{'empty':>6}{'p50 x':>6}{'log':>6}"
    )
    for label, row in found.items():
        cold, hot = row["paced"]["call"], row["unpaced"]["call"]
        longest = {how: row[how]["empty"]["max"] / 1e3 for how in ("paced", "unpaced")}
        yield (
            f"{label:<33}{_accepted(row):>18}{cold['p50']:>10.2f}{cold['p99']:>7.1f}"
            f"{cold['p999']:>7.0f}{cold['max'] / 1e3:>7.2f}{longest['paced']:>6.2f}"
            f"{times_empty(row, 'paced', 'p50'):>6.1f}{times_empty(row, 'paced', 'p99'):>6.1f}"
            f"{hot['p50']:>8.2f}{hot['p99']:>7.1f}{hot['max'] / 1e3:>7.2f}"
            f"{longest['unpaced']:>6.2f}{times_empty(row, 'unpaced', 'p50'):>6.1f}"
            f"{row['log_lines']:>6}"
        )


def bulk_table(bulk: Mapping[str, Found]) -> Iterator[str]:
    """Lines: what delivering many events takes."""
    yield (
        f"{'delivered':<33}{'accepted/attempts':>18}{'events/s':>10}{'CPU s/M':>9}"
        f"{'MB before':>11}{'after':>7}{'most':>7}"
    )
    for label, row in bulk.items():
        yield (
            f"{label:<33}{_accepted(row):>18}{row['attempts'] / row['took_s']:>10,.0f}"
            f"{row['cpu_s_a_million']:>9.1f}{row['mb_before']:>11.1f}{row['mb_after']:>7.1f}"
            f"{row['mb_most']:>7.1f}"
        )


def verdicts(rows: Sequence[Row], found: Mapping[str, Found]) -> Iterator[Verdict]:
    """What the client must reach, of what was measured."""
    ours = [row for row in rows if row.is_ours and row.label in found]
    for row in ours:
        attempts, accepted = (found[row.label][key] for key in ("attempts", "accepted"))
        if accepted != attempts:
            yield Verdict(f"{row.label}: {accepted} of {attempts} timed events accepted", "NO")
    for row in ours:
        p50, p99 = (times_empty(found[row.label], "paced", q) / row.events for q in ("p50", "p99"))
        yield Verdict(
            f"{row.label:<33} paced, an event: p50 {p50:4.1f}, p99 {p99:4.1f} times the empty call,"
            f" must {MOST_TIMES_EMPTY:g}, goal {GOAL_TIMES_EMPTY:g}",
            _reached(max(p50, p99)),
        )
    spans = [found[row.label] for row in rows if row.label in found and "_span" in row.target]
    for row in ours if spans else []:
        cheapest = min(times_empty(span, "unpaced") for span in spans)
        whole = cheapest / times_empty(found[row.label], "unpaced")
        yield Verdict(
            f"{row.label:<33} unpaced p50: an event {whole * row.events:4.1f} times cheaper than"
            f" the cheaper span (the call {whole:4.1f}), must {TIMES_CHEAPER:g}",
            "yes" if whole * row.events >= TIMES_CHEAPER else "NO",
        )
    yield from _no_difference(ours, found)


def _no_difference(ours: Sequence[Row], found: Mapping[str, Found]) -> Iterator[Verdict]:
    """Whether the state of the broker is seen in the calls.

    An empty call does not depend on the broker, so its differences between states are noise. Each of two
    multiples may be off by as much, so they may be apart by its square.
    """
    noise = max((found[row.label]["paced"]["noise"] for row in ours), default=1.0) ** 2
    for target in dict.fromkeys(row.target for row in ours):
        states = {row.backend: found[row.label] for row in ours if row.target == target}
        if UP not in states or len(states) == 1:
            continue
        p50 = {state: times_empty(row, "paced", "p50") for state, row in states.items()}
        apart = max(p50.values()) / min(p50.values())
        by_state = ", ".join(f"{state} {times:.1f}" for state, times in p50.items())
        yield Verdict(
            f"{target:<33} paced p50 {by_state} times the empty call: {apart:.2f} apart,"
            f" at most {max(SAME, noise):.2f} (noise {noise:.2f})",
            "yes" if apart <= max(SAME, noise) and noise <= NOISE else "NO",
        )


def _accepted(row: Found) -> str:
    accepted = "?" if row["accepted"] is None else f"{row['accepted']:,}"
    return f"{accepted}/{row['attempts']:,}"


def _reached(worst: float) -> str:
    if worst <= GOAL_TIMES_EMPTY:
        return "goal"
    return "yes" if worst <= MOST_TIMES_EMPTY else "NO"
