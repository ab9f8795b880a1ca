"""Invented decisions, for drills that need a model to be trained."""

import random
from typing import Final

from gnomon.events import Comparison, Completeness, FeatureVector, Outcome

COUNT: Final = 200
_BEGIN_MS: Final = 1_760_000_000_000
_EVERY_MS: Final = 60_000


def decisions(*, seed: int, count: int = COUNT) -> list[Comparison]:
    """Return ``count`` finished tasks of five agents, one a minute; the same for the same seed."""
    chance = random.Random(seed)  # noqa: S311  invented data, not a secret
    return [_decision(number, chance) for number in range(count)]


def _decision(number: int, chance: random.Random) -> Comparison:
    began_ms = _BEGIN_MS + number * _EVERY_MS
    duration_s = chance.lognormvariate(1.0, 0.5)
    return Comparison(
        decision_id=f"drill-{number}",
        agent_id=f"agent-{number % 5}",
        task_id=f"task-{number}",
        task_type=chance.choice(["review", "write"]),
        started_at_ms=began_ms,
        features=FeatureVector(
            tasks_completed_1h=12,
            avg_execution_time_1h=3.0,
            success_rate_1h=0.75,
            same_type_runs=5,
            same_type_avg_execution_time=3.0,
            same_type_success_rate=0.75,
        ),
        completeness=Completeness(hour_seen=1.0),
        predictions=[],
        outcome=Outcome(
            status="matched",
            at_ms=began_ms + round(duration_s * 1000),
            duration_s=duration_s,
            succeeded=chance.random() < 0.75,  # noqa: PLR2004  as the vector says
        ),
    )
