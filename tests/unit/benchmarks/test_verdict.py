"""How often the verdict errs, in small: fixed seeds, through the code that judges."""

import dataclasses
import math

import numpy as np
import pytest
from benchmarks.verdict import WORLDS, Run, World, blocks, factor, simulate, table

from gnomon.verdict import VerdictSettings
from gnomon.verdict.evidence.sums import Sums

BY_NAME = {world.name: world for world in WORLDS}
FALSE = [world for world in WORLDS if world.improvement == 0.2 and world.most < 1]
POWER = [world for world in WORLDS if world.improvement == 0.3 and world.least]


def shorter(world: World, hours: int) -> World:
    return dataclasses.replace(world, hours=hours)


@pytest.mark.parametrize("world", FALSE, ids=lambda world: world.name)
def test_it_seldom_says_go_where_the_truth_is_exactly_the_threshold(world: World) -> None:
    """96 hours are looked at, one by one; three standard errors of 60 runs are allowed."""
    found = simulate(shorter(world, 96), VerdictSettings(), runs=60, seed=1)
    limit = world.most
    assert found.passed <= limit + 3 * math.sqrt(limit * (1 - limit) / 60)


@pytest.mark.parametrize("world", POWER, ids=lambda world: world.name)
def test_it_says_go_within_a_day_where_the_truth_is_thirty_percent(world: World) -> None:
    found = simulate(world, VerdictSettings(), runs=100, seed=1)
    assert found.passed >= world.least - 3 * math.sqrt(world.least * (1 - world.least) / 100)


def test_agents_unlike_each_other_are_not_taken_for_all_agents() -> None:
    """What is said of these agents is often false of others: that is why both are shown."""
    these, others = (
        simulate(shorter(BY_NAME[f"agents differ, sd 0.3, as to {whom}"], 96), VerdictSettings(),
                 runs=100, seed=1)
        for whom in ("these agents", "agents like these")
    )  # fmt: skip
    assert others.passed <= 0.134 < these.passed


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
def test_the_truth_of_each_world_is_what_it_says(world: World) -> None:
    many = dataclasses.replace(world, hours=1500, agents=100, tasks=1)
    scale = factor(world)
    drawn = [blocks(many, np.random.default_rng(seed), scale).sum((0, 1)) for seed in range(3)]
    baseline, model = np.sum(drawn, 0)
    assert 1 - model / baseline == pytest.approx(world.improvement, abs=0.03)


def test_the_same_seed_gives_the_same_figures() -> None:
    world = shorter(BY_NAME["shocks on tasks, sd 0.2"], 40)
    one, again, other = (
        simulate(world, VerdictSettings(t_star=30), runs=20, seed=seed) for seed in (1, 1, 2)
    )
    assert one == again
    assert table([one, other]).count("| shocks on tasks, sd 0.2 |") == 2


def test_its_sums_are_those_of_the_verdict() -> None:
    losses = blocks(shorter(BY_NAME["shocks on tasks, sd 0.2"], 30), np.random.default_rng(1), 0.8)
    run, sums = Run(losses), Sums()
    for hour, agents in enumerate(losses.tolist()):
        for agent, (b, c) in enumerate(agents):
            sums.add(str(agent), hour, b, c)
        sums.close_hours()
        assert run.after(hour + 1, agents=True) == sums
