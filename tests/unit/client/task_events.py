"""Events as an agent would give them."""

from typing import Any

from gnomon.events import TaskFinished


def end(**changes: Any) -> TaskFinished:
    """An end that is accepted, but for what ``changes`` make of it."""
    fields: dict[str, Any] = {
        "agent_id": "a",
        "task_id": "t",
        "task_type": "x",
        "started_at_ms": 1_000,
        "finished_at_ms": 2_000,
        "duration_s": 1.0,
        "succeeded": True,
    }
    return TaskFinished(**fields | changes)
