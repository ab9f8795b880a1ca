"""Tests of the screen: what it says of health and tasks, and that foreign names are only text."""

import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from gnomon.events import Comparison, Completeness, FeatureVector, Ledger, ModelPrediction, Outcome
from gnomon.up.addresses import Addresses
from gnomon.up.health import Health
from gnomon.up.view import Shown, line, newest, screen
from gnomon.up.watch import PipelineState

NOW_MS = 10_000_000


def decision(agent: str = "router", **outcome: object) -> Comparison:
    given = {"status": "matched", "at_ms": NOW_MS - 65_000, "duration_s": 2.0, "succeeded": True}
    return Comparison(
        decision_id="d",
        agent_id=agent,
        task_id="t",
        task_type="triage",
        started_at_ms=NOW_MS - 67_000,
        features=FeatureVector(),
        completeness=Completeness(),
        predictions=[ModelPrediction(model="gnomon", version="3", duration_s=1.5)],
        outcome=Outcome(**{**given, **outcome}),  # type: ignore[arg-type]  # of the table above
    )


def shown(**changes: object) -> Shown:
    given: dict[str, object] = {
        "addresses": Addresses(kafka="127.0.0.1:9092", gateway="http://127.0.0.1:4318"),
        "health": [Health(name="kafka", word="ready"), Health(name="vault", word="starting")],
        "pipeline": PipelineState(),
        "running_s": 3_725.0,
        "now_ms": NOW_MS,
        "data_dir": ".gnomon",
    }
    return Shown(**{**given, **changes})  # type: ignore[arg-type]  # of the table above


def text_of(state: Shown) -> str:
    console = Console(file=io.StringIO(), width=160)
    console.print(screen(state))
    output = console.file
    assert isinstance(output, io.StringIO)
    return output.getvalue()


def test_the_screen_says_where_to_send_what_is_healthy_and_where_to_look() -> None:
    text = text_of(shown())

    assert "export GNOMON_BROKERS=127.0.0.1:9092" in text
    assert "1:02:05   not ready: vault" in text
    assert "no task has ended yet" in text
    assert "gnomon status" in text
    assert "goes on with .gnomon" in text


def test_the_screen_says_where_dashboard_and_metrics_are() -> None:
    addresses = Addresses(
        kafka="127.0.0.1:9092",
        gateway="http://127.0.0.1:4318",
        dashboard="http://127.0.0.1:8501",
        exporter="http://127.0.0.1:9180/metrics",
    )
    text = text_of(shown(addresses=addresses))
    found = dict(re.findall(r"^  (dashboard|metrics|commands|after) +(.+?) *$", text, re.M))
    assert found["dashboard"] == "http://127.0.0.1:8501"
    assert found["metrics"] == "http://127.0.0.1:9180/metrics"
    assert found["commands"].startswith("gnomon status")
    assert "after" not in found  # commands find what is where it usually is


def test_the_screen_says_how_commands_find_what_is_elsewhere() -> None:
    addresses = Addresses(kafka="127.0.0.1:1234", gateway="http://127.0.0.1:4318")
    text = text_of(shown(addresses=addresses, data_dir="/a b"))
    assert "export GNOMON_DATA_DIR='/a b'; export GNOMON_BROKERS=127.0.0.1:1234" in text
    secured = replace(addresses, kafka_variables=Path("/d/security/agent.env"))
    assert "  after          . /d/security/operator.env" in text_of(shown(addresses=secured))


def test_a_task_is_shown_with_what_was_predicted() -> None:
    (told,) = newest([decision()], now_ms=NOW_MS)

    assert told.startswith("0:01:05 ago  router: triage succeeded in 2 s")
    assert "gnomon 3 1.5 s" in told


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(90.0, "90 s"), (1.0, "1 s"), (0.25, "250 ms"), (2.5e-5, "25 µs"), (1.5e-7, "150 ns"), (0.0, "0 ns")],
)  # fmt: skip
def test_a_duration_has_the_unit_that_suits_it(seconds: float, text: str) -> None:
    (told,) = newest([decision(duration_s=seconds)], now_ms=NOW_MS)
    assert f"succeeded in {text} " in told


def test_a_task_is_one_line_on_a_narrow_terminal() -> None:
    console = Console(file=io.StringIO(), width=60)
    console.print(screen(shown(pipeline=PipelineState(newest=[decision()] * 3))))
    output = console.file
    assert isinstance(output, io.StringIO)
    assert len(re.findall(r"^0:01:05 ago .{48}$", output.getvalue(), re.M)) == 3


def test_a_task_without_an_end_says_so() -> None:
    (told,) = newest([decision(status="expired", duration_s=None, succeeded=None)], now_ms=NOW_MS)
    assert "router: triage expired" in told


def test_names_of_others_are_only_text_and_short() -> None:
    hostile = "\x1b[2J[bold red]<b>" + "x" * 10_000
    text = text_of(shown(pipeline=PipelineState(newest=[decision(hostile)])))

    assert "\x1b" not in text
    assert "[bold red]" in text
    assert len(text) < 4_000


def test_a_line_has_the_counts() -> None:
    state = PipelineState(events=6, ledger=Ledger(partition=0, predictions=3, matched=2))
    assert "6 events  3 predicted  2 matched" in line(shown(pipeline=state))


def test_health_tells_how_often_a_part_came_back() -> None:
    again = Health(name="kafka", word="ready", restarts=2)
    down = Health(name="kafka", word="down", detail="port 9092 is in use")

    assert again.line.split(maxsplit=1)[1] == "ready, started again 2 x"
    assert down.line.endswith("down: port 9092 is in use")
