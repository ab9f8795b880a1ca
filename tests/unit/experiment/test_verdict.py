"""The verdict on an experiment, from tasks and exposures as the router makes them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gnomon import MemoryClient, codec
from gnomon.cli import main
from gnomon.events import Comparison, Completeness, FeatureVector, Outcome
from gnomon.experiment import Router
from gnomon.experiment.outcomes import Outcomes
from gnomon.experiment.rules import ExperimentRules
from gnomon.experiment.settings import parse
from gnomon.experiment.verdict import judge_experiment

T0 = 1_700_000_000_000
SETTINGS: dict[str, Any] = {"name": "prompts", "variants": {"control": 5_000, "short": 5_000}}
RULES = ExperimentRules(mature_after_s=0.0)


def comparison(
    number: int,
    *,
    context: dict[str, str],
    duration_s: float = 10.0,
    succeeded: bool = True,
    agent: str = "ada",
    status: str = "matched",
    at_ms: int = T0,
) -> Comparison:
    matched = status == "matched"
    return Comparison(
        decision_id=f"{number:032x}",
        agent_id=agent,
        task_id=f"t{number}",
        task_type="code",
        started_at_ms=at_ms,
        features=FeatureVector(tasks_completed_1h=0),
        completeness=Completeness(hour_seen=1.0),
        predictions=[],
        outcome=Outcome(
            status=status,  # type: ignore[arg-type]
            at_ms=at_ms + 60_000,
            duration_s=duration_s if matched else None,
            succeeded=succeeded if matched else None,
        ),
        context=dict(context),
    )


def world(
    *, faster: float = 1.0, failing: float = 0.2, units: int = 600, seed: int = 1
) -> tuple[list[Comparison], list[bytes]]:
    """Tasks and exposures of units that differ; those of ``short`` take ``faster`` times as long."""
    rng, client = np.random.default_rng(seed), MemoryClient()
    router = Router("prompts", SETTINGS["variants"], client=client)
    tasks: list[Comparison] = []
    for unit in range(units):
        variant, level = router.exposed(f"repo-{unit}"), rng.normal(3.0, 0.4)
        for _ in range(rng.integers(2, 9)):
            short = variant == "short"
            tasks.append(
                comparison(
                    len(tasks),
                    context=router.context(f"repo-{unit}"),
                    duration_s=float(np.exp(rng.normal(level, 0.5)) * (faster if short else 1.0)),
                    succeeded=bool(rng.random() > (failing if short else 0.2)),
                )
            )
    return tasks, [codec.encode(each) for each in client.exposures().events()]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GNOMON_DATA_DIR", str(tmp_path / "data"))
    return tmp_path


def judged(
    folder: Path, tasks: list[Comparison], exposures: list[bytes], status: int
) -> tuple[dict[str, Any], Path]:
    """What the command writes, and the router's settings file after ``--apply``."""
    router, log, exposed = (folder / name for name in ("router.json", "c.jsonl", "e.jsonl"))
    router.write_text(json.dumps(SETTINGS | {"salt": ""}))
    log.write_bytes(b"".join(codec.encode(each) + b"\n" for each in tasks))
    exposed.write_bytes(b"".join(each + b"\n" for each in exposures))
    rules = folder / "rules.json"
    rules.write_text('{"mature_after_s": 0}')
    arguments = ["--comparisons", log, "--exposures", exposed, "--settings", rules]
    arguments += ["--experiment", "prompts", "--apply", router, "--json", folder / "out.json"]
    assert main(["verdict", *map(str, arguments)]) == status
    return json.loads((folder / "out.json").read_bytes()), router


@pytest.mark.parametrize(
    ("faster", "failing", "word", "status"),
    [(0.7, 0.12, "GO", 0), (1.4, 0.2, "STOP-HARM", 5), (0.7, 0.5, "STOP-HARM", 5)],
)
def test_a_variant_is_judged_by_its_units(
    folder: Path, faster: float, failing: float, word: str, status: int
) -> None:
    tasks, exposures = world(faster=faster, failing=failing)
    out, router_file = judged(folder, tasks, exposures, status)
    (found,) = out["variants"]
    assert (found["variant"], found["word"]) == ("short", word)
    assert out["sample_ratio"]["units"] == 600
    assert not out["sample_ratio"]["is_mismatch"]
    means = {
        name: np.mean(
            [
                np.log1p(t.outcome.duration_s or 0)
                for t in tasks
                if t.context["experiment.prompts"] == name
            ]
        )
        for name in ("control", "short")
    }
    difference = found["differences"]["duration"]
    assert difference["estimate"] == pytest.approx(means["short"] - means["control"])
    assert difference["low"] < np.log(faster) < difference["high"]
    # The router takes the verdict up from its settings file.
    with Router("prompts", source=router_file) as router:
        got = {router.assign(f"repo-{unit}") for unit in range(100)}
    assert got == ({"control"} if word == "STOP-HARM" else {"control", "short"})


def test_two_equal_variants_are_never_told_apart_however_often_one_looks() -> None:
    passed = 0
    for seed in range(20):
        tasks, _ = world(units=300, seed=seed)
        outcomes = Outcomes("prompts", RULES)
        words = set()
        for number, task in enumerate(tasks, start=1):
            outcomes.add(task)
            if number % 150 == 0:
                (found,) = judge_experiment(parse(SETTINGS), outcomes, RULES).variants
                words.add(found.word)
        passed += bool(words & {"GO", "STOP-HARM"})
    assert passed <= 3  # at 5 % for each of two losses; more than 3 of 20 would be 1 in 60


def test_lost_exposures_block_every_conclusion_but_harm(folder: Path) -> None:
    tasks, exposures = world(faster=0.7, failing=0.12)
    half = [e for at, e in enumerate(exposures) if b'"short"' not in e or at % 3 == 0]
    out, _ = judged(folder, tasks, half, status=3)
    assert out["sample_ratio"]["is_mismatch"]
    assert out["variants"][0]["word"] == "CONTINUE"
    assert out["variants"][0]["blocked_by"] == ["sample_ratio"]
    tasks, exposures = world(faster=1.4)
    half = [e for at, e in enumerate(exposures) if b'"short"' not in e or at % 3 == 0]
    out, _ = judged(folder, tasks, half, status=5)


def test_the_tasks_of_a_unit_are_one_observation() -> None:
    """Without units in the context, agents are the units: too few for an interval."""
    tasks, _ = world(faster=0.7)
    outcomes = Outcomes("prompts", RULES)
    for task in tasks:
        del task.context["experiment.prompts.unit"]
        outcomes.add(task)
    found = judge_experiment(parse(SETTINGS), outcomes, RULES)
    assert found.crossed == 1  # the one agent worked under both variants
    assert (found.variants[0].word, found.variants[0].tasks) == ("CONTINUE", 0)


def test_what_counts_of_a_task() -> None:
    context = {"experiment.prompts": "short", "experiment.prompts.unit": "repo"}
    rules = ExperimentRules(mature_after_s=61.0, registered_at_ms=T0)
    outcomes = Outcomes("prompts", rules)
    changed: tuple[dict[str, Any], ...] = (
        {"at_ms": T0},
        {"at_ms": T0, "status": "expired"},
        {"at_ms": T0, "status": "cancelled"},
        {"at_ms": T0 - 1},
        {"at_ms": T0 + 29_001},
        {"at_ms": T0 + 30_001},
        {"at_ms": T0 + 30_001, "agent": "bob", "context": {}},
    )
    for number, changes in enumerate(changed):
        given: dict[str, Any] = {"context": context} | changes
        task = comparison(number, **given)
        outcomes.add(task)
        outcomes.add(task)
    counted = outcomes.mature()
    assert [task.losses[1] for task in counted] == [0.0, 1.0, 0.0]
    # The second task expired a minute after its start.
    assert [task.losses[0] for task in counted] == pytest.approx(np.log([11, 61, 11]))
    assert (outcomes.immature, outcomes.unassigned) == (1, 1)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--experiment", "prompts"], "--variants"),
        (["--experiment", "other", "--variants", "router.json"], "'other'"),
        (["--experiment", "prompts", "--variants", "router.json", "--html", "x"], "--html"),
        (["--experiment", "prompts", "--variants", "gone.json"], "gone.json"),
    ],
)
def test_wrong_use_is_told(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    told: str,
) -> None:
    monkeypatch.chdir(folder)
    Path("router.json").write_text(json.dumps(SETTINGS))
    Path("c.jsonl").write_text("")
    assert main(["verdict", "--comparisons", "c.jsonl", *arguments]) == 2
    assert told in capsys.readouterr().err
