"""Comparisons with everything that the report shows, and the same as a pandas frame to recompute it from."""

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from gnomon.events import (
    Comparison,
    Completeness,
    FeatureVector,
    Interval,
    Intervals,
    ModelPrediction,
    Outcome,
)

T0 = 1_700_000_400_000 // 3_600_000 * 3_600_000
HOUR = 3_600_000
SHA = "cd" * 32
AGENTS = ("ada", "<i>bo&b</i>", 'cy"', "dee", "eve", "worse")
TYPES = ("code", "<script>alert(1)</script>")
BEFORE_HOURS, HOURS, TASKS = 10, 50, 6
DRIFTS_AT_HOUR = 40


class Detailed(NamedTuple):
    """The comparisons, and a frame with a row for each, both in the order of prediction."""

    rows: list[Comparison]
    frame: Any


@lru_cache
def detailed() -> Detailed:
    """A model that predicts from hour 10 on; worse for one agent; its errors grow in the last hours."""
    rng = np.random.default_rng(5)
    places = [(h, a) for h in range(HOURS) for a in range(len(AGENTS))] * TASKS
    n = len(places)
    hour, agent = np.array(places).T
    y = np.exp(rng.normal(4, 1, n))
    off = np.where(agent == AGENTS.index("worse"), 2.0, 0.5) * np.where(
        hour < DRIFTS_AT_HOUR, 1.0, 3.0
    )
    frame = pd.DataFrame(
        {
            "agent": np.array(AGENTS)[agent],
            "type": np.array(TYPES)[rng.integers(0, 2, n)],
            "start_ms": T0 + hour * HOUR + rng.permutation(n) * 1_900,
            "hour": hour,
            "status": rng.choice(["matched", "expired", "cancelled"], n, p=[0.96, 0.03, 0.01]),
            "y": y,
            "ok": rng.random(n) < 0.7,
            "base": y * np.exp(rng.normal(0, 0.6, n)),
            "model": np.where(hour < BEFORE_HOURS, np.nan, y * np.exp(rng.normal(0, 0.4, n) * off)),
            "silent": rng.random(n) < 0.01,
            "q": rng.beta(4, 2, n),
            "completed": rng.poisson(np.where(hour < BEFORE_HOURS, 3, 8)),
            "average_s": np.where(rng.random(n) < 0.2, np.nan, np.exp(rng.normal(4, 1, n))),
            "estimate_s": rng.lognormal(3, 1, n),
        }
    )
    frame.loc[(frame.hour < BEFORE_HOURS) & (frame.status == "expired"), "status"] = "cancelled"
    frame["has_model"] = frame.hour >= BEFORE_HOURS
    frame.loc[frame.silent, "model"] = np.nan
    for level, factor in ((80, 1.2), (90, 1.6)):
        frame[f"low{level}"], frame[f"high{level}"] = frame.model / factor, frame.model * factor
    frame["age_s"] = np.where(frame.status == "expired", 900.0, frame.y)
    frame["end_ms"] = frame.start_ms + np.ceil(frame.age_s * 1000).astype(int)
    # Each agent's last task expires at the same time, so what is known of every agent ends there.
    last = frame.groupby("agent").start_ms.idxmax()
    frame.loc[last, "status"] = "expired"
    frame.loc[last, "end_ms"] = frame.end_ms.max() + 60_000
    frame["age_s"] = (frame.end_ms - frame.start_ms) / 1000
    frame = frame.sort_values("start_ms", ignore_index=True)
    return Detailed([_comparison(k, row) for k, row in enumerate(frame.itertuples())], frame)


def _comparison(number: int, row: Any) -> Comparison:
    matched = row.status == "matched"
    predictions = [
        ModelPrediction(
            model="control", version="0", duration_s=float(row.base), success_probability=0.6
        )
    ]
    if row.has_model:
        predictions.append(_prediction(row))
    return Comparison(
        decision_id=f"{number:08x}",
        agent_id=row.agent,
        task_id=f"task-{number}",
        task_type=row.type,
        started_at_ms=int(row.start_ms),
        features=FeatureVector(
            tasks_completed_1h=int(row.completed),
            avg_execution_time_1h=None if math.isnan(row.average_s) else float(row.average_s),
        ),
        completeness=Completeness(hour_seen=1.0),
        predictions=predictions,
        outcome=Outcome(
            status=row.status,
            at_ms=int(row.end_ms),
            duration_s=float(row.y) if matched else None,
            succeeded=bool(row.ok) if matched else None,
        ),
        estimate_s=float(row.estimate_s),
    )


def _prediction(row: Any) -> ModelPrediction:
    if math.isnan(row.model):
        return ModelPrediction(model="m", version="7", sha256=SHA)
    by_level = {
        str(level): Interval(
            low_s=float(row[low]), high_s=float(row[low + 1]),
            own_low_s=float(row[low]), own_high_s=float(row[low + 1]),
        )
        for level, low in ((80, row._fields.index("low80")), (90, row._fields.index("low90")))
    }  # fmt: skip
    return ModelPrediction(
        model="m",
        version="7",
        sha256=SHA,
        duration_s=float(row.model),
        success_probability=float(row.q),
        intervals=Intervals(bucket=0, by_level=by_level),
    )
