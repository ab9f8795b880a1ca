"""What the benchmark of the client times, and what it makes of it. No figure of time is held."""

from typing import Any

import pytest
from benchmarks.client import ROWS, measure
from benchmarks.harness.client_report import REFUSED, UP, Row, bulk_table, calls_table, verdicts

EMIT, TASK = (
    Row(name=name, target=name, backend=UP, events=events)
    for name, events in (("gnomon_emit", 1), ("gnomon_task", 2))
)
DOWN = Row(name="gnomon_emit", target="gnomon_emit", backend=REFUSED)
SPAN = Row(name="span", target="opentelemetry_span")


def cost(*, p50: float, hot: float = 1.0, noise: float = 1.0, accepted: int = 9) -> dict[str, Any]:
    """Medians are multiples of the empty call."""
    one = {"p50": 1.0, "p99": 1.0, "p999": 9.0, "max": 9.0}
    return {
        "attempts": 9,
        "accepted": accepted,
        "paced": {"times_empty": p50, "noise": noise, "call": one, "empty": one},
        "unpaced": {"times_empty": hot, "noise": noise, "call": one, "empty": one},
        "log_lines": 0,
    }


def words(rows: list[Row], *found: dict[str, Any]) -> list[str]:
    labelled = {row.label: one for row, one in zip(rows, found, strict=True)}
    return [verdict.word for verdict in verdicts(rows, labelled)]


@pytest.mark.parametrize("backend", [UP, REFUSED])
@pytest.mark.parametrize("target", ["gnomon_emit", "gnomon_task", "gnomon_task_context"])
def test_every_call_that_is_timed_is_accepted(target: str, backend: str) -> None:
    (row,) = (row for row in ROWS if (row.target, row.backend) == (target, backend))

    (found,) = measure([row], "timed", 400)

    assert found["attempts"] == 10_400 * (1 if target == "gnomon_emit" else 2)
    assert found["accepted"] == found["attempts"]
    assert found["paced"]["noise"] >= 1


def test_what_processor_and_memory_are_of_is_accepted_too() -> None:
    (row,) = (row for row in ROWS if (row.target, row.backend) == ("gnomon_task", UP))

    (found,) = measure([row], "bulk", 9_000)

    assert (found["accepted"], found["attempts"]) == (9_000, 9_000)
    assert 0 < found["mb_before"] <= found["mb_most"]
    assert found["cpu_s_a_million"] > 0
    assert "9,000/9,000" in "\n".join(bulk_table({row.label: found}))


@pytest.mark.parametrize(
    ("p50", "word"), [(8.0, "goal"), (8.1, "yes"), (12.0, "yes"), (12.1, "NO")]
)
def test_a_paced_event_is_at_most_twelve_empty_calls(p50: float, word: str) -> None:
    assert words([EMIT], cost(p50=p50)) == [word]
    assert words([TASK], cost(p50=2 * p50)) == [word]


@pytest.mark.parametrize(("hot", "word"), [(2.0, "yes"), (2.1, "NO")])
def test_a_span_costs_twenty_times_as_much(hot: float, word: str) -> None:
    assert words([EMIT, SPAN], cost(p50=1.0, hot=hot), cost(p50=1.0, hot=40.0)) == ["goal", word]
    assert words([TASK, SPAN], cost(p50=1.0, hot=2 * hot), cost(p50=1.0, hot=40.0)) == [
        "goal",
        word,
    ]


@pytest.mark.parametrize(
    ("down", "noise", "word"),
    [
        (1.1, 1.0, "yes"),
        (1.2, 1.0, "NO"),
        (0.8, 1.0, "NO"),
        (1.2, 1.1, "yes"),
        (1.25, 1.1, "NO"),
        (1.0, 1.3, "NO"),  # nothing could be seen in such noise
    ],
)
def test_no_difference_is_as_much_as_the_empty_call_shows(
    down: float, noise: float, word: str
) -> None:
    found = words([EMIT, DOWN], cost(p50=1.0), cost(p50=down, noise=noise))

    assert found == ["goal", "goal", word]


def test_a_call_that_was_refused_is_told() -> None:
    assert words([EMIT], cost(p50=1.0, accepted=8)) == ["NO", "goal"]
    assert "8/9" in "\n".join(calls_table({EMIT.label: cost(p50=1.0, accepted=8)}))
