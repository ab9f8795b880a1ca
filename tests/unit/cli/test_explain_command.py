"""Tests of ``gnomon explain`` as it is typed, and of its text."""

import json
from pathlib import Path

import msgspec
import pytest
from tests.support.decisions import a_decision
from tests.unit.models.explaining.test_explaining import fitted
from tests.unit.models.runs import a_task

from gnomon.cli.main import main
from gnomon.cli.texts.explanation_text import as_text
from gnomon.events import Comparison, FeatureVector, ModelPrediction
from gnomon.operations.models.explaining import explain_decision
from gnomon.settings import Settings
from gnomon.store import DecisionStore
from gnomon.vault import KeyRing, check_key, create_key_file, seal_decision

Said = pytest.CaptureFixture[str]


@pytest.fixture
def vault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store with one decision, which version 4 predicted; there is no registry."""
    for name in ("GNOMON_KEY", "GNOMON_KEY_FILE", "GNOMON_STORE_URL", "GNOMON_MLFLOW_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GNOMON_DATA_DIR", str(tmp_path))
    store = DecisionStore(Settings(data_dir=str(tmp_path)).store_url)
    store.create()
    ring = KeyRing(create_key_file(tmp_path / "kek.key"), store.keys)
    check_key(ring, store.canary)
    store.upsert([seal_decision(ring, a_decision(3, note="re\x1b[2Jfund"))])
    store.close()
    return tmp_path


def test_without_a_registry_all_else_is_told(vault: Path, capsys: Said) -> None:
    assert main(["explain", "task-3"]) == 0

    said = capsys.readouterr().out
    assert "task task-3 of agent agent-7, type refactor" in said
    assert "  avg_execution_time_1h" in said
    assert "no explanation: unknown_version: gnomon has no version '4'" in said
    assert "came: 90 s, success" in said
    assert "re?[2Jfund" in said
    assert not (vault / "mlflow.db").exists()

    assert main(["explain", "d-00003", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["predictions"][0]["losses"]["absolute_error_s"] == 12.75
    assert told["predictions"][0]["missing"].startswith("unknown_version")


def test_a_decision_that_is_not_there(vault: Path, capsys: Said) -> None:
    assert main(["explain", "nobody"]) == 1
    assert "no decision or task 'nobody'" in capsys.readouterr().err


@pytest.mark.usefixtures("vault")
def test_without_the_key_nothing_is_told(vault: Path, capsys: Said) -> None:
    (vault / "kek.key").unlink()
    assert main(["explain", "d-00003"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "gnomon keys init" in said.err


def explained(learner: str) -> str:
    task = a_task(
        features=FeatureVector(
            same_type_runs=2, same_type_avg_execution_time=50.0, same_type_success_rate=1.0
        )
    )
    fields = msgspec.structs.asdict(task)
    model = fitted(learner)
    ((duration_s, probability),) = model.predict([task])
    prediction = ModelPrediction(
        model="gnomon", version="1", duration_s=duration_s, success_probability=probability
    )
    outcome = a_decision(1).outcome
    decision = Comparison(**fields, decision_id="d", predictions=[prediction], outcome=outcome)
    return as_text(explain_decision(decision, lambda *_: model), top=2)


def test_a_mix_is_told_by_its_parts() -> None:
    said = explained("mix")

    assert "mix, for two or more runs of the type by this agent" in said
    assert "own last runs of the type" in said
    assert "runs of bob of the type" in said
    assert "for any task" in said
    assert "half of the weight is reached at a run of: own" in said


@pytest.mark.parametrize("learner", ["forest", "linear", "xgboost"])
def test_inputs_are_told_with_their_effect(learner: str) -> None:
    said = explained(learner)

    assert "duration: " in said
    assert "task_type" in said
    assert " x " in said
    assert "another result" not in said
