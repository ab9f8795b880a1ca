"""Synthetic decisions with a pattern to learn, to measure a forest of a realistic size."""

import random

from gnomon.comparison import decision_id
from gnomon.events import Comparison, Completeness, FeatureVector, Outcome

BASE_MS = 1_759_000_000_000


def decisions(count: int, *, seed: int = 3) -> list[Comparison]:
    """Make ``count`` matched decisions of 1,000 agents and 40 task types."""
    draw = random.Random(seed)
    made = []
    for i in range(count):
        agent_id, kind = f"agent-{draw.randrange(1000):06d}", draw.randrange(40)
        mean_s = 5.0 + kind * 2
        duration_s = draw.lognormvariate(0, 0.4) * mean_s
        at_ms = BASE_MS + i * 30_000
        made.append(
            Comparison(
                decision_id=decision_id(agent_id, f"t{i}"),
                agent_id=agent_id,
                task_id=f"t{i}",
                task_type=f"type-{kind}",
                started_at_ms=at_ms,
                features=FeatureVector(
                    tasks_completed_1h=draw.randrange(100),
                    avg_execution_time_1h=draw.lognormvariate(3, 0.3),
                    success_rate_1h=draw.random(),
                    code_review_iterations=draw.random() * 4,
                    same_type_runs=draw.randrange(20),
                    same_type_avg_execution_time=mean_s,
                    same_type_success_rate=draw.random(),
                ),
                completeness=Completeness(hour_seen=1.0),
                predictions=[],
                outcome=Outcome(
                    status="matched",
                    at_ms=at_ms + int(duration_s * 1000),
                    duration_s=duration_s,
                    succeeded=draw.random() < kind / 40,
                ),
            )
        )
    return made
