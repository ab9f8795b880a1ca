"""The pool, against its definition written out run by run."""

import math
import random
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.special import expit, logit

from gnomon.models.learners.pool import Pool

INPUTS = (
    "same_type_runs",
    "same_type_avg_execution_time",
    "same_type_success_rate",
    "agent_runs",
    "agent_avg_execution_time",
    "agent_success_rate",
)
Run = tuple[str, str, float, bool]
"""Agent, type, seconds and whether it succeeded."""

finished = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from("xyz"), st.floats(0, 1e5), st.booleans()),
    min_size=1,
    max_size=150,
)


def fitted(runs: list[Run]) -> Pool:
    frame = pd.DataFrame(runs, columns=["agent_id", "task_type", "duration_s", "ok"])
    return Pool().fit(
        frame, frame["duration_s"].to_numpy(np.float64), frame["ok"].to_numpy(np.bool_)
    )


def a_task(agent: str, of_type: str, **known: float) -> dict[str, Any]:
    return {"agent_id": agent, "task_type": of_type, **dict.fromkeys(INPUTS, math.nan), **known}


def predicted(pool: Pool, *tasks: dict[str, Any]) -> list[tuple[float, float]]:
    frame = pd.DataFrame(tasks)
    return list(pool.predict(frame).itertuples(index=False, name=None))


def ability(difficulties: pd.Series, ok: pd.Series) -> float:
    """The most likely ability: normal with variance 1, each run a logistic chance."""

    def improbable(a: float) -> float:
        p = expit(logit(difficulties) + a)
        return a * a / 2 - float(np.log(np.where(ok, p, 1 - p)).sum())

    return float(minimize_scalar(improbable, bounds=(-15, 15), method="bounded").x)


def ratios(frame: pd.DataFrame) -> tuple[float, float]:
    """Variances by moments, with ten degrees of freedom of the usual shares .4, .4 and .2."""
    cells = frame.groupby(["type", "agent"])["log"].agg(["mean", "size", "var"]).reset_index()
    types = cells.groupby("type")
    free_runs, free = len(frame) - len(cells), len(cells) - len(types)
    if not free_runs or not free or len(types) == 1:
        return 1.0, 0.5
    of_runs = (cells["var"].fillna(0) * (cells["size"] - 1)).sum() / free_runs
    noise, m = types["size"].agg(lambda n: of_runs * (1 / n).mean()), types.size()
    apart = (types["mean"].var(ddof=1).fillna(0) * (m - 1)).sum()
    of_agents = max(apart - (noise * (m - 1)).sum(), 0) / free
    of_types = max(types["mean"].mean().var(ddof=1) - ((of_agents + noise) / m).mean(), 0)
    found, weight = np.array([of_types, of_agents, of_runs]), free / (free + 10)
    t, a, e = np.maximum(
        weight * found + (1 - weight) * found.sum() * np.array([0.4, 0.4, 0.2]), 1e-9
    )
    return a / t, e / t


def written_out(runs: list[Run], task: dict[str, Any]) -> tuple[float, float]:
    """The definition: every run with its weight, one by one."""
    frame = pd.DataFrame(runs, columns=["agent", "type", "s", "ok"])
    frame["log"] = np.log1p(frame["s"])
    average = frame["ok"].mean()
    last = frame.groupby("type").tail(100)
    centre = last.groupby("type")["log"].mean()
    relative = frame["log"] - frame["type"].map(centre)
    rates = last.groupby("type")["ok"].agg(lambda ok: (ok.sum() + 2 * average) / (len(ok) + 2))
    speed, able = {}, {}
    for agent, rows in relative.groupby(frame["agent"]):
        of_agent = rows.tail(200)
        speed[agent] = of_agent.median() * len(of_agent) / (len(of_agent) + 20)
        if 0 < average < 1:
            types = frame["type"][of_agent.index]
            able[agent] = ability(types.map(rates), frame["ok"][of_agent.index])
    mine = speed.get(task["agent_id"], 0.0)
    middle = (frame["log"] - frame["agent"].map(speed)).median()
    of_others = last[(last["type"] == task["task_type"]) & (last["agent"] != task["agent_id"])]
    logs = last["log"] - last["agent"].map(speed)
    of_agents, of_runs = ratios(
        pd.DataFrame({"log": logs, "type": last["type"], "agent": last["agent"]})
    )
    agents = max(of_others["agent"].nunique(), 1)
    share = 1 / (1 + of_agents / agents + of_runs / max(len(of_others), 1))
    pool = [
        (middle + share * (row.log - speed[row.agent] - middle) + mine, 0.04)
        for row in of_others.itertuples()
    ]
    weight = 0.04 * (len(of_others) + 2)
    rate = 0.04 * (of_others["ok"].sum() + 2 * average) / weight
    known = (frame["agent"] == task["agent_id"]).sum()
    if 0 < average < 1:
        mine_able = able.get(task["agent_id"], 0.0)
        if task["agent_runs"] > min(known, 200):
            n, of_last = task["agent_runs"], task["agent_success_rate"]
            mine_able = n * (of_last - average) / (n * average * (1 - average) + 1)
        rate = expit(logit(rate) + mine_able)
    rated = [(rate, weight)]
    if not math.isnan(task["same_type_avg_execution_time"]):
        pool.append((math.log1p(task["same_type_avg_execution_time"]), task["same_type_runs"]))
        rated.append((task["same_type_success_rate"], task["same_type_runs"]))
    if not math.isnan(task["agent_avg_execution_time"]):
        pool.append((math.log1p(task["agent_avg_execution_time"]), 0.1))
        rated.append((task["agent_success_rate"], 0.1))
    pool.append((middle + mine, 1e-6))
    total = math.fsum(weight for _, weight in pool)
    below, seconds = 0.0, math.nan
    for log, weight in sorted(pool):
        below += weight
        if below >= total / 2 * (1 - 1e-8):
            seconds = math.expm1(log)
            break
    return seconds, math.fsum(r * w for r, w in rated) / math.fsum(w for _, w in rated)


known: st.SearchStrategy[dict[str, float]] = st.fixed_dictionaries(
    {
        "same_type_runs": st.integers(1, 20).map(float),
        "same_type_avg_execution_time": st.floats(0, 1e5),
        "same_type_success_rate": st.floats(0, 1),
    }
) | st.just({})
of_agent: st.SearchStrategy[dict[str, float]] = st.fixed_dictionaries(
    {
        "agent_runs": st.integers(1, 20).map(float),
        "agent_avg_execution_time": st.floats(0, 1e5),
        "agent_success_rate": st.floats(0, 1),
    }
) | st.just({})


@settings(deadline=None)
@given(finished, st.sampled_from("abn"), st.sampled_from("xn"), known, of_agent)
def test_it_is_a_weighted_median_and_a_weighted_rate_of_what_is_known(
    runs: list[Run], agent: str, of_type: str, own: dict[str, float], any_type: dict[str, float]
) -> None:
    task = a_task(agent, of_type, **own, **any_type)

    ((seconds, probability),) = predicted(fitted(runs), task)

    expected_s, expected_probability = written_out(runs, task)
    assert seconds == pytest.approx(max(expected_s, 0.0), rel=1e-6, abs=1e-6)
    assert probability == pytest.approx(expected_probability, abs=1e-4)


def test_an_agents_repeats_count_for_more_than_others_runs() -> None:
    pool = fitted([("a", "x", 600.0, False)] * 20 + [("b", "x", 600.0, False)])

    (found,) = predicted(
        pool,
        a_task(
            "b",
            "x",
            same_type_runs=3,
            same_type_avg_execution_time=60.0,
            same_type_success_rate=1.0,
        ),
    )

    assert found == pytest.approx((60.0, 3 / 3.88), abs=1e-3)


def test_others_runs_are_scaled_by_how_fast_the_agent_is() -> None:
    chance = random.Random(1)  # noqa: S311  no secret
    cell = [(agent, f"t{n}", slow * (n + 1) * chance.uniform(0.9, 1.1) * 60, True)
            for n in range(60) for agent, slow in (("slow", 4.0), ("fast", 1.0))]  # fmt: skip
    only_fast = [("fast", "new", 600.0, True)] * 5

    slow, unknown = predicted(
        fitted([*cell, *only_fast]), a_task("slow", "new"), a_task("somebody", "new")
    )

    # Twice as slow as the middle of the two; speeds of 60 runs are shrunk to 60 / (60 + 20).
    assert slow[0] / unknown[0] == pytest.approx(2**0.75, rel=0.1)


def test_the_more_agents_have_done_a_type_the_more_it_decides() -> None:
    """Types take 100 s; three take a hundred times as long, done by one agent, by two, by eight."""
    agents = [f"a{n}" for n in range(8)]
    usual = [(agent, f"t{n}", 100.0, True) for agent in agents for n in range(40)]
    long = [
        (agent, f"long-{count}", 10_000.0, True) for count in (1, 2, 8) for agent in agents[:count]
    ]
    pool = fitted([*usual, *long])

    found = predicted(pool, *(a_task("n", f"long-{n}") for n in (1, 2, 8)))

    of_agents, of_runs = pool.ratios_
    shares = [math.log((s + 1) / 101) / math.log(10_001 / 101) for s, _ in found]
    assert shares == pytest.approx(
        [1 / (1 + (of_agents + of_runs) / n) for n in (1, 2, 8)], abs=0.02
    )
    assert shares[0] < shares[1] < shares[2]


@pytest.mark.parametrize(("apart", "share_left"), [(0.0, (0.9, 1.0)), (1.0, (0.3, 0.6))])
def test_an_agents_runs_tell_another_as_much_as_agents_have_in_common(
    apart: float, share_left: tuple[float, float]
) -> None:
    """Two agents, 60 types that each take another time; ``apart``: how much agents differ in them."""
    draw = np.random.default_rng(6)
    of_types = draw.normal(0, 1, 60)
    runs = [
        (agent, f"t{n}", float(np.exp(5 + of_type + apart * chance + draw.normal(0, 0.1))), True)
        for n, of_type in enumerate(of_types)
        for agent, chance in zip("ab", draw.normal(0, 1, 2), strict=True)
        for _ in range(3)
    ]
    new = [("a", "new", float(np.exp(5 + 3)), True)] * 3

    ((seconds, _),) = predicted(fitted([*runs, *new]), a_task("b", "new"))

    low, high = share_left
    assert low < (math.log(seconds) - 5) / 3 < high


def test_others_success_is_that_of_an_agent_of_this_ability() -> None:
    """Two agents succeed in 20 % and 80 % of the same tasks; of a new type the weak one failed twice."""
    chance = random.Random(5)  # noqa: S311  no secret
    cell = [(agent, f"t{n % 20}", 60.0, chance.random() < rate)
            for n in range(200) for agent, rate in (("weak", 0.2), ("strong", 0.8))]  # fmt: skip
    failed = [("weak", "new", 60.0, False)] * 2
    pool = fitted([*cell, *failed])

    weak, average, strong = (
        p for _, p in predicted(pool, *(a_task(a, "new") for a in ("weak", "n", "strong")))
    )
    (new_and_strong,) = predicted(
        pool,
        a_task("n", "new", agent_runs=20, agent_avg_execution_time=60.0, agent_success_rate=0.8),
    )

    assert average == pytest.approx(0.25, abs=0.01)
    assert strong == pytest.approx(expit(logit(0.25) + 1.4), abs=0.06)
    # Nobody else has done it: the rate of all runs, at its ability.
    assert weak == pytest.approx(expit(logit(0.5) - 1.4), abs=0.06)
    assert average + 0.2 < new_and_strong[1] < 0.8


def test_every_row_of_a_batch_is_its_own() -> None:
    chance = random.Random(2)  # noqa: S311
    pool = fitted([(chance.choice("abc"), chance.choice("xyz"), chance.expovariate(0.01), chance.random() < 0.5) for _ in range(90)])  # fmt: skip
    tasks = [a_task(chance.choice("abn"), chance.choice("xyn")) for _ in range(20)]

    assert predicted(pool, *tasks) == [predicted(pool, task)[0] for task in tasks]


def test_quantiles_ascend_around_the_prediction_and_cover_what_comes() -> None:
    """Log-normal repeats of many cells: the middle 80 % hold about that share of new ones."""
    draw = np.random.default_rng(3)
    cells = {(a, t): draw.lognormal(5, 1) for a in "abcd" for t in map(str, range(30))}
    earlier = [
        (a, t, s * draw.lognormal(0, 0.4), True) for (a, t), s in cells.items() for _ in range(4)
    ]
    pool = fitted(earlier)
    means = pd.DataFrame(earlier).groupby([0, 1])[2].mean()
    tasks = [
        a_task(a, t, same_type_runs=4, same_type_avg_execution_time=means[a, t], same_type_success_rate=1.0)
        for a, t in cells
    ]  # fmt: skip
    frame = pd.DataFrame(tasks)

    found = pool.estimate(
        {name: frame[name].to_numpy() for name in frame}, len(frame), (0.1, 0.5, 0.9)
    ).quantiles

    assert (np.diff(found, axis=1) > 0).all()
    truth = np.array(list(cells.values())) * draw.lognormal(0, 0.4, (200, len(cells)))
    covered = ((found[:, 0] <= truth) & (truth <= found[:, 2])).mean()
    assert covered == pytest.approx(0.8, abs=0.07)
