"""Summarises the measurements: medians, ratios, targets and the table. Pure."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from benchmarks.harness.watching import Rate

FLOOR, FEATURES, ALL_STAGES = "floor", "features", "all four stages"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One measurement of one engine.

    Attributes:
        events: Number of events it read.
        records: Number of records it had to write.
        bytes_out: Size of all its output topics, as Kafka stores them.
        verdict: Result of the oracle, empty if it was not asked.
        right: False if the oracle found an error.
    """

    rate: Rate
    events: int
    records: int
    bytes_out: int
    verdict: str = ""
    right: bool = True

    @property
    def events_per_s(self) -> float:
        """Events read a second."""
        return self.rate.per_s * self.events / self.records

    @property
    def cpu_us(self) -> float:
        """Processor time of the engine per event, without start-up, in microseconds."""
        return self._an_event(self.rate.cpu_s)

    @property
    def broker_cpu_us(self) -> float:
        """Processor time of Kafka per event in the same period, in microseconds."""
        return self._an_event(self.rate.broker_cpu_s)

    def _an_event(self, cpu_s: float) -> float:
        per_s, seconds = self.events_per_s, self.rate.span_s
        return cpu_s * 1e6 / (per_s * seconds) if per_s * seconds > 0 else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A result with a target. ``less``: whether smaller is better."""

    name: str
    unit: str
    must: float
    goal: float | None = None
    less: bool = False

    def reached(self, value: float) -> str:
        """Return ``goal`` or ``yes`` if the target is met, else ``NO``."""
        if self.goal is not None and self._met(value, self.goal):
            return "goal"
        return "yes" if self._met(value, self.must) else "NO"

    def _met(self, value: float, limit: float) -> bool:
        return value <= limit if self.less else value >= limit


TARGETS = (
    Target(name="features_to_floor", unit="x", must=0.60, goal=0.75),
    Target(name="features_to_bytewax", unit="x", must=5.0),
    Target(name="features_to_quix", unit="x", must=10.0),
    Target(name="features_to_flink", unit="x", must=11.0),
    Target(name="features_to_faust", unit="x", must=90.0),
    Target(name="tasks_per_s", unit="tasks/s", must=8_000.0, goal=15_000.0),
    Target(name="latency_p99_ms", unit="ms", must=150.0, goal=50.0, less=True),
    Target(name="features_resident_mb", unit="MB", must=600.0, goal=300.0, less=True),
)
"""``features_resident_mb`` is at 100,000 agents with 20 finishes in the hour each."""

SHORTEST_SPAN_S = 3.0
"""A shorter measurement is noise, so no ratio is made of it."""

Runs = Mapping[str, Sequence[Run]]


def median_per_s(runs: Runs, name: str) -> float:
    """Return the median events per second of an engine; 0 if no measurement was complete."""
    done = [run.events_per_s for run in runs.get(name, ()) if run.rate.done]
    return statistics.median(done) if done else 0.0


def ratio(runs: Runs, name: str, to: str) -> float | None:
    """Return the ratio of two engines' medians; ``None`` if a measurement of either was too short."""
    done = [run.rate for each in (name, to) for run in runs.get(each, ()) if run.rate.done]
    if any(rate.span_s < SHORTEST_SPAN_S for rate in done):
        return None
    divisor = median_per_s(runs, to)
    return median_per_s(runs, name) / divisor if divisor else None


def figures(runs: Runs) -> dict[str, float]:
    """Return the results that have a target and were measured, and two ratios to the floor.

    The ratio by processor time is the one that other load on the machine affects least.
    """
    features = median_per_s(runs, FEATURES)
    found = {
        f"{FEATURES}_to_{name}": times
        for name in runs
        if name not in {FEATURES, ALL_STAGES} and (times := ratio(runs, FEATURES, name))
    }
    kept = {target.name for target in TARGETS}
    found = {name: ratio for name, ratio in found.items() if name in kept}
    if FEATURES in runs and FLOOR in runs:
        found["floor_bytes_to_features"] = runs[FLOOR][0].bytes_out / runs[FEATURES][0].bytes_out
    if features and ratio(runs, FEATURES, FLOOR):
        cpu_us = {
            name: statistics.median(r.cpu_us for r in runs[name]) for name in (FLOOR, FEATURES)
        }
        found["features_to_floor_by_cpu"] = cpu_us[FLOOR] / cpu_us[FEATURES]
    if whole := median_per_s(runs, ALL_STAGES):
        found["tasks_per_s"] = whole / 2
    return found


def contenders(runs: Runs) -> dict[str, object]:
    """Return the results of each engine, for the results file."""
    return {
        name: {
            "events_per_s": round(median_per_s(runs, name), 1),
            "cpu_s": round(statistics.median(run.rate.whole_cpu_s for run in turns), 2),
            "cpu_us_an_event": round(statistics.median(run.cpu_us for run in turns), 3),
            "broker_cpu_us_an_event": round(statistics.median(r.broker_cpu_us for r in turns), 3),
            "bytes_out_an_event": round(turns[0].bytes_out / turns[0].events, 1),
            "checked": turns[0].verdict,
            "runs": [
                {"events": run.events, "events_per_s": run.events_per_s, **asdict(run.rate)}
                for run in turns
            ],
        }
        for name, turns in runs.items()
    }


def contenders_table(runs: Runs, skipped: Mapping[str, str]) -> list[str]:
    """Return lines of text, one for each engine."""
    lines = [
        f"{'contender':<16}{'events/s':>10}  {'of turns':<19}{'CPU us':>7}{'Kafka':>7}"
        f"{'bytes':>7}  {'features is':>11}  checked"
    ]
    for name, turns in runs.items():
        median = median_per_s(runs, name)
        speeds = [run.events_per_s for run in turns]
        spread = f"{min(speeds):,.0f}-{max(speeds):,.0f}" if len(turns) > 1 else "one"
        found = ratio(runs, FEATURES, name)
        times = f"{found:.2f} x" if found else "-"
        lines.append(
            f"{name:<16}{median:>10,.0f}  {spread:<19}"
            f"{statistics.median(run.cpu_us for run in turns):>7.1f}"
            f"{statistics.median(run.broker_cpu_us for run in turns):>7.1f}"
            f"{turns[0].bytes_out / turns[0].events:>7.0f}  {times:>11}  {turns[0].verdict}"
        )
    lines += [f"{name:<16}  skipped: {why}" for name, why in skipped.items()]
    return [*lines, "CPU and bytes written are an event read; start-up is left out."]


def targets_table(found: Mapping[str, float], targets: Sequence[Target] = TARGETS) -> list[str]:
    """Return lines of text, each with a result and its target."""
    lines = [f"{'figure':<22}{'measured':>12}{'must':>10}{'goal':>10}  reached"]
    for target in targets:
        goal = f"{target.goal:,g}" if target.goal is not None else "-"
        bounds = f"{target.must:>10,g}{goal:>10}"
        if target.name in found:
            value = found[target.name]
            lines.append(
                f"{target.name:<22}{value:>12,.4g}{bounds}  {target.reached(value):<5}{target.unit}"
            )
        else:
            lines.append(f"{target.name:<22}{'-':>12}{bounds}  not measured")
    named = {target.name for target in targets}
    return [*lines, *(f"{name} {found[name]:.3f}" for name in found if name not in named)]
