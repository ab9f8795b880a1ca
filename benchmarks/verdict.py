"""How often the verdict is wrong, and how often it is right in time, by simulation.

``python -m benchmarks.verdict`` prints the table of docs/verdict.md; ``--quick`` a small one, and
``--json FILE`` writes the figures. Status 1 if a figure is not what it must be. Losses are drawn by
numpy, and summed up by it, exactly as ``Sums`` does; the code of ``gnomon verdict`` judges.

An agent's task has an error of the baseline, sigma x, and one of the model, f sigma (x + y) / sqrt 2,
in the logarithm of its duration; x and y are standard normal. A loss is the absolute error, at most
ln 10. The factor f is the one with which the model's expected loss is exactly 20 % (or 30 %)
below the baseline's, shocks and skills included: found by quadrature. An hour has a shock s, normal
with standard deviation ``shock``, that all agents share and that is correlated from hour to hour
with ``lag``. It is added to the durations (``tasks``: to both errors), to what the model says
(``model``), or makes the model's errors exp(s) times as large (``factor``). An agent of skill a makes
them exp(a) times as large.
"""

import argparse
import json
import math
import multiprocessing
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import ndtr

from gnomon.verdict.evidence.series import Series
from gnomon.verdict.evidence.sums import B, C, Hours, Sums, T, add_unit
from gnomon.verdict.sequence import Plan, bounds
from gnomon.verdict.settings import VerdictSettings

CAP = math.log(10)
DELTA, ALPHA = 0.2, 0.05
STANDARD_ERRORS = 3
MOST_TIMES = 10
Array = NDArray[np.float64]


@dataclass(frozen=True)
class World:
    """Where a model is judged.

    Attributes:
        name: As in the table.
        improvement: The true one.
        sigma: Of the logarithms' errors.
        shock: Standard deviation of what an hour does; ``lag`` the correlation of consecutive
            hours; ``on`` what it is done to.
        skill: Standard deviation of what agents are, in logarithms.
        uneven: Whether the number of an agent's tasks in an hour varies, geometrically with the mean
            ``tasks``: from 1 on, at most ten times as many.
        future: Judge "agents like these".
        hours: How long is looked at, at every hour.
        most: Greatest share of runs that may pass; ``least``: smallest.
    """

    name: str
    improvement: float = DELTA
    sigma: float = 1.0
    shock: float = 0.0
    lag: float = 0.0
    on: Literal["tasks", "model", "factor"] = "tasks"
    skill: float = 0.0
    future: bool = False
    hours: int = 480
    agents: int = 20
    tasks: int = 5
    uneven: bool = False
    most: float = 1.0
    least: float = 0.0


@dataclass(frozen=True)
class Found:
    """What came of a world: shares of runs, and the median hour of passing where there is one."""

    world: World
    runs: int
    passed: float
    limit: float
    hour: float | None
    holds: bool


WORLDS = (
    World("independent", most=ALPHA),
    World("independent, sigma 1.5", sigma=1.5, most=ALPHA),
    World("independent, blocks of 1 to 50 tasks", uneven=True, most=ALPHA),
    World("independent, 4 agents with 60 tasks an hour", agents=4, tasks=60, most=ALPHA),
    World("independent, 100 agents with 1 task an hour", agents=100, tasks=1, most=ALPHA),
    World("shocks on tasks, sd 0.2", shock=0.2, most=ALPHA),
    World("the same, blocks of 1 to 50 tasks", shock=0.2, uneven=True, most=ALPHA),
    World("shocks on tasks, sd 0.4", shock=0.4, most=0.10),
    World("shocks on tasks, sd 0.4, lag 0.5", shock=0.4, lag=0.5, most=0.10),
    World("shocks on the model, sd 0.2", shock=0.2, on="model", most=ALPHA),
    World("shocks on the model, sd 0.4", shock=0.4, on="model", most=0.10),
    World("shocks on its errors' size, sd 0.2", shock=0.2, on="factor", most=ALPHA),
    World("shocks on its errors' size, sd 0.2, lag 0.5", shock=0.2, on="factor", lag=0.5),
    World("shocks on its errors' size, sd 0.4", shock=0.4, on="factor", most=0.10),
    World("agents differ, sd 0.3, as to these agents", skill=0.3),
    World("agents differ, sd 0.3, as to agents like these", skill=0.3, future=True, most=ALPHA),
    World("the same, and shocks on tasks, sd 0.2", skill=0.3, shock=0.2, future=True, most=ALPHA),
    World("30 %: independent", 0.3, hours=24, least=0.95),
    World("30 %: shocks on tasks, sd 0.2", 0.3, shock=0.2, hours=24, least=0.95),
    World("30 %: shocks on tasks, sd 0.4", 0.3, shock=0.4, hours=24, least=0.70),
    World("30 %: shocks on the model, sd 0.2", 0.3, shock=0.2, on="model", hours=24),
    World("30 %: shocks on the model, sd 0.4", 0.3, shock=0.4, on="model", hours=24),
    World("30 %: shocks on its errors' size, sd 0.2", 0.3, shock=0.2, on="factor", hours=24),
)


def factor(world: World) -> float:
    """The model's factor f at which its expected loss is lower by the true improvement."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(48)
    weights = weights / weights.sum()
    shocks, skills = np.meshgrid(world.shock * nodes, world.skill * nodes)
    weight = np.outer(weights, weights)
    up_to, step = np.linspace(0, CAP, 401, retstep=True)

    def expected(mean: Array, sd: Array) -> float:
        """E min(|X|, CAP), the integral of P(|X| > u) up to CAP, over shocks and skills."""
        u = up_to[:, None, None]
        beyond = ndtr((-u - mean) / sd) + ndtr((mean - u) / sd)
        return float((weight * (beyond.sum(0) - (beyond[0] + beyond[-1]) / 2) * step).sum())

    none = np.zeros_like(shocks)
    wide = np.exp(skills + (shocks if world.on == "factor" else none))
    moved = none if world.on == "factor" else shocks
    theirs = expected(shocks if world.on == "tasks" else none, world.sigma + none)
    needed = (1 - world.improvement) * theirs
    return float(brentq(lambda f: expected(moved, f * world.sigma * wide) - needed, 1e-3, 10))


def blocks(world: World, chance: np.random.Generator, scale: float) -> NDArray[np.int64]:
    """Losses of one run, summed by block in units of 1e-5: (hours, agents, baseline and model)."""
    most = world.tasks * (MOST_TIMES if world.uneven else 1)
    x, y = chance.standard_normal((2, world.hours, world.agents, most))
    shocks = chance.standard_normal(world.hours)
    for hour in range(1, world.hours):
        shocks[hour] = world.lag * shocks[hour - 1] + math.sqrt(1 - world.lag**2) * shocks[hour]
    of_hour = (world.shock * shocks)[:, None, None]
    of_agent = np.exp(world.skill * chance.standard_normal(world.agents))[None, :, None]
    theirs = world.sigma * x
    ours = scale * of_agent * world.sigma * (x + y) / math.sqrt(2)
    if world.on == "factor":
        ours = ours * np.exp(of_hour)
    else:
        ours = ours + of_hour
        theirs = theirs + of_hour if world.on == "tasks" else theirs
    done = np.ones_like(x, dtype=bool)
    if world.uneven:
        counts = chance.geometric(1 / world.tasks, (world.hours, world.agents, 1))
        done = np.arange(most) < counts
    losses = [(np.minimum(np.abs(errors), CAP) * done).sum(2) for errors in (theirs, ours)]
    return np.rint(np.stack(losses, 2) * 1e5).astype(np.int64)


class Run:
    """One run's losses, and the state of the sums after any of its hours.

    Args:
        losses: Of blocks, whole numbers: (hours, agents, baseline and model).
    """

    def __init__(self, losses: NDArray[np.int64]) -> None:
        units = _units(losses[..., 0], losses[..., 1])
        self.agents = np.cumsum(units, 0)
        self.blocks = self.agents.sum(1)
        self.totals = losses.sum(1)
        b, c = self.totals.T
        self.hours = np.cumsum(_units(b, c), 0)
        pairs = [b[:-1] * b[1:], b[:-1] * c[1:] + c[:-1] * b[1:], c[:-1] * c[1:]]
        self.lag = np.stack([np.concatenate([[0], np.cumsum(each)]) for each in pairs], 1)

    def after(self, hours: int, *, agents: bool) -> Sums:
        """The sums that ``hours`` hours lead to; without ``agents`` those of agents are left out."""
        totals = self.totals[[0, hours - 1]].tolist()
        sums = Sums(blocks=self.blocks[hours - 1].tolist())
        sums.hours = Hours(
            self.hours[hours - 1].tolist(),
            self.lag[hours - 1].tolist(),
            tuple(totals[0]),
            tuple(totals[1]),
        )
        if agents:
            rows = self.agents[hours - 1].tolist()
            sums.agents = {str(agent): row for agent, row in enumerate(rows)}
            for row in rows:
                add_unit(row[B], row[C], sums.totals)
        return sums

    def promising(self, plan: Plan, delta: float) -> Sequence[int]:
        """Numbers of hours after which a bound could be over 0: its variance is at least that of the blocks."""
        t, b, c, bb, bc, cc = self.blocks.T.astype(float)
        q = 1 - delta
        mean = (q * b - c) / t
        variance = ((q * q * bb - 2 * q * bc + cc) / t - mean**2) * t / (t - 1)
        width = np.array([plan.half_width(float(n)) for n in t])
        low = mean - (1 - 1e-6) * width * np.sqrt(np.maximum(variance, 0))
        return (np.flatnonzero(low > 0) + 1).tolist()


def _units(b: NDArray[np.int64], c: NDArray[np.int64]) -> NDArray[np.int64]:
    """A row of ``Sums`` for each unit with these totals, along a new last axis."""
    return np.stack([np.ones_like(b), b, c, b * b, b * c, c * c], -1)


def passes(world: World, settings: VerdictSettings, losses: NDArray[np.int64]) -> int | None:
    """The first hour after which the improvement is sure, looked at after every one."""
    plan, run = Plan.of(settings), Run(losses)
    for hours in run.promising(plan, settings.delta):
        sums = run.after(hours, agents=world.future)
        decisions = hours * world.agents * world.tasks
        enough = sums.blocks[T] >= settings.min_blocks and hours >= settings.min_active_hours
        if enough and decisions > settings.min_decisions:
            series = Series.of(sums, alpha=settings.alpha if world.future else None)
            if bounds(series, plan, settings.delta, future=world.future).low > 0:
                return hours
    return None


def simulate(world: World, settings: VerdictSettings, *, runs: int, seed: int) -> Found:
    """Judge ``runs`` runs of ``world``; the same seed gives the same figures."""
    scale = factor(world)
    sequence = np.random.SeedSequence([seed, *world.name.encode()])
    hours = [
        passes(world, settings, blocks(world, np.random.default_rng(child), scale))
        for child in sequence.spawn(runs)
    ]
    passed = [hour for hour in hours if hour is not None]
    share = len(passed) / runs

    def slack(limit: float) -> float:
        return STANDARD_ERRORS * math.sqrt(limit * (1 - limit) / runs)

    most = world.most + slack(world.most) if world.most == ALPHA else world.most
    holds = world.least <= share <= most
    return Found(
        world,
        runs,
        share,
        world.least or most,
        float(np.median(passed)) if passed else None,
        holds,
    )


def table(found: Sequence[Found]) -> str:
    """The figures as Markdown."""
    lines = [
        "| world | passed | must | median hour | runs |",
        "|---|---|---|---|---|",
    ]
    for each in found:
        must = "-"
        if each.world.least:
            must = f"at least {100 * each.world.least:.0f} %"
        elif each.world.most < 1:
            must = f"at most {100 * each.limit:.1f} %"
        hour = "-" if each.hour is None else f"{each.hour:.0f}"
        mark = "" if each.holds else " **no**"
        lines.append(
            f"| {each.world.name} | {100 * each.passed:.1f} %{mark} | {must} | {hour} | {each.runs} |"
        )
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few runs, and shorter")
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--t-star", type=int, default=VerdictSettings().t_star)
    parser.add_argument("--hours", type=int, help="for how long it is looked, in place of 480")
    parser.add_argument(
        "--only", metavar="TEXT", default="", help="worlds with this in their names"
    )
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    settings = VerdictSettings(t_star=options.t_star, delta=DELTA, alpha=ALPHA)
    runs = 100 if options.quick else options.runs
    hours = 96 if options.quick else options.hours
    worlds = [
        replace(w, hours=min(hours, w.hours)) if hours and not w.least else w
        for w in WORLDS
        if options.only in w.name
    ]
    with multiprocessing.Pool(options.processes) as pool:
        asked = [
            pool.apply_async(simulate, (w, settings), {"runs": runs, "seed": options.seed})
            for w in worlds
        ]
        found = [each.get() for each in asked]
    print(table(found))
    if options.json:
        options.json.write_text(json.dumps([asdict(each) for each in found], indent=2) + "\n")
    return 0 if all(each.holds for each in found) else 1


if __name__ == "__main__":
    sys.exit(main())
