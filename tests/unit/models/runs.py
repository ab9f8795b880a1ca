"""Runs of made-up agents: each task type takes its time, each agent has its pace."""

import math
import random
from collections import defaultdict
from collections.abc import Sequence

import msgspec
import numpy as np
import pandas as pd
from hypothesis import strategies as st
from numpy.typing import NDArray

from gnomon.events import Comparison, Completeness, FeatureVector, Outcome, TaskFeatures

BEGAN_MS = 1_760_000_000_000
TYPE_S = {"review": 60.0, "refactor": 600.0, "migrate": 2_400.0, "triage": 15.0}
PACE = {"ada": 1.0, "bob": 0.5}


def a_task(**changes: object) -> TaskFeatures:
    """A started task of which little is known."""
    given = {
        "agent_id": "ada",
        "task_id": "t",
        "task_type": "review",
        "started_at_ms": BEGAN_MS,
        "features": FeatureVector(),
        "completeness": Completeness(hour_seen=1.0),
    }
    return TaskFeatures(**(given | changes))  # type: ignore[arg-type]


def runs(count: int, *, seed: int = 1, gap_ms: int = 3_000_000) -> list[Comparison]:
    """``count`` finished runs, one after the other; long types fail, short ones succeed."""
    chance = random.Random(seed)  # noqa: S311  no secret
    made = []
    for number in range(count):
        task_type = chance.choice(sorted(TYPE_S))
        agent = chance.choice(sorted(PACE))
        duration_s = TYPE_S[task_type] * PACE[agent] * math.exp(chance.gauss(0.0, 0.1))
        started = BEGAN_MS + number * gap_ms
        made.append(
            Comparison(
                decision_id=f"d{number:05}",
                agent_id=agent,
                task_id=f"t{number}",
                task_type=task_type,
                started_at_ms=started,
                features=FeatureVector(
                    tasks_completed_1h=number % 5, avg_execution_time_1h=500.0, success_rate_1h=0.5
                ),
                completeness=Completeness(hour_seen=1.0),
                predictions=[],
                outcome=Outcome(
                    status="matched",
                    at_ms=started + round(duration_s * 1_000),
                    duration_s=duration_s,
                    succeeded=TYPE_S[task_type] < 1_000.0,
                ),
                context={"chars": len(task_type) * 100, "language": chance.choice(["go", "py"])},
            )
        )
    return made


class Noting:
    """A learner that says one minute of every run, and remembers what it was shown."""

    name = "noting"

    def __init__(self) -> None:
        self.shown: list[list[float]] = []

    def fit(
        self, frame: pd.DataFrame, durations: NDArray[np.float64], successes: NDArray[np.bool_]
    ) -> "Noting":
        assert len(frame) == len(durations) == len(successes)
        self.shown.append(durations.tolist())
        return self

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"duration_s": np.full(len(frame), 60.0), "success_probability": 0.75})


def with_outcome(decision: Comparison, **changes: object) -> Comparison:
    outcome = msgspec.structs.replace(decision.outcome, **changes)
    return msgspec.structs.replace(decision, outcome=outcome)


def with_own_runs(
    decisions: list[Comparison], *, before: Sequence[Comparison] = ()
) -> list[Comparison]:
    """The same runs; their vectors know the agent's last 20 runs of the type, of ``before`` too."""
    earlier: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    made = []
    for number, run in enumerate([*before, *decisions]):
        own_s = earlier[run.agent_id, run.task_type][-20:]
        vector = msgspec.structs.replace(
            run.features,
            same_type_runs=len(own_s),
            same_type_avg_execution_time=float(np.mean(own_s)) if own_s else None,
            same_type_success_rate=float(TYPE_S[run.task_type] < 1_000.0) if own_s else None,
        )
        if number >= len(before):
            made.append(msgspec.structs.replace(run, features=vector))
        earlier[run.agent_id, run.task_type].append(run.outcome.duration_s or 0.0)
    return made


def all_failed(run: Comparison) -> Comparison:
    return with_outcome(run, succeeded=False)


def no_time_at_all(run: Comparison) -> Comparison:
    return with_outcome(run, duration_s=0.0)


def one_agent_and_type(run: Comparison) -> Comparison:
    return msgspec.structs.replace(run, agent_id="only", task_type="only")


def absurd_estimates(run: Comparison) -> Comparison:
    return msgspec.structs.replace(
        run, estimate_s=math.inf if run.task_id[-1] in "02468" else 1e308
    )


def constant_features(run: Comparison) -> Comparison:
    return msgspec.structs.replace(run, features=FeatureVector(agent_runs=7), context={})


def all_alike(run: Comparison) -> Comparison:
    alike = one_agent_and_type(constant_features(run))
    return with_outcome(alike, duration_s=60.0, succeeded=True)


def every_type_new(run: Comparison) -> Comparison:
    return msgspec.structs.replace(run, task_type=f"type {run.task_id}")


def exact_baselines(run: Comparison) -> Comparison:
    """The features tell how the run will end: no baseline makes an error."""
    duration_s, ok = run.outcome.duration_s, float(run.outcome.succeeded or 0)
    known = FeatureVector(
        avg_execution_time_1h=duration_s,
        success_rate_1h=ok,
        same_type_runs=2,
        same_type_avg_execution_time=duration_s,
        same_type_success_rate=ok,
        agent_avg_execution_time=duration_s,
        agent_success_rate=ok,
    )
    return msgspec.structs.replace(run, features=known)


BAD = [
    all_failed,
    no_time_at_all,
    one_agent_and_type,
    absurd_estimates,
    constant_features,
    all_alike,
    every_type_new,
    exact_baselines,
]


_share = st.none() | st.floats(0, 1)
_seconds = st.none() | st.floats(0, 1e6)

tasks = st.builds(
    TaskFeatures,
    agent_id=st.sampled_from(["ada", "bob", "eve"]),
    task_id=st.uuids().map(str),
    task_type=st.sampled_from([*TYPE_S, "never seen"]) | st.text(min_size=1, max_size=5),
    started_at_ms=st.integers(0, 253_402_300_799_999),
    features=st.builds(
        FeatureVector,
        tasks_completed_1h=st.integers(0, 500),
        avg_execution_time_1h=_seconds,
        success_rate_1h=_share,
        tasks_in_flight=st.integers(0, 50),
        seconds_since_last_finish=_seconds,
        same_type_runs=st.integers(0, 20),
        same_type_success_rate=_share,
        agent_avg_execution_time=_seconds,
    ),
    completeness=st.builds(Completeness, hour_seen=st.floats(0, 1), late_dropped=st.just(0)),
    estimate_s=st.none() | st.floats(0, allow_nan=False, allow_infinity=False),
    context=st.dictionaries(
        st.sampled_from(["chars", "language", "other"]),
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    ),
)
