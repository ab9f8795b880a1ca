"""``gnomon models`` and ``gnomon train``, as somebody would run them."""

import asyncio
import json
import time
from pathlib import Path

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from mlflow.tracking import MlflowClient
from tests.conftest import Kafka
from tests.unit.models.runs import runs, with_outcome

from gnomon import codec
from gnomon.cli.judging import train as cli_train
from gnomon.cli.main import main
from gnomon.events import (
    AbsentModel,
    Comparison,
    ModelIntent,
    ModelPrediction,
    ModelSwitched,
    SealedDecision,
)
from gnomon.models.learners.catalog import DEFAULT, LEARNERS
from gnomon.models.registry import Registry, VersionInfo
from gnomon.models.train import Trained
from gnomon.settings import Settings
from gnomon.store import DecisionStore
from gnomon.vault import KeyRing, check_key, create_key_file, load_key, seal_decision

NOBODY = "127.0.0.1:1"


@pytest.fixture
def settings(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The registry of this test, and no broker."""
    monkeypatch.setenv("GNOMON_MLFLOW_URI", uri)
    monkeypatch.setenv("GNOMON_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("GNOMON_BROKERS", NOBODY)
    return monkeypatch


@pytest.mark.usefixtures("settings")
def test_offline_moves_the_alias_alone(
    registry: Registry, trained: Trained, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = (registry.register(trained, alias=None, author="me") for _ in range(2))

    assert main(["models", "promote", one, "--offline"]) == 0
    assert main(["models", "promote", two, "--offline", "--json"]) == 0
    assert registry.aliases() == {"champion": two, "previous": one}
    assert main(["models", "rollback", "--offline"]) == 0
    assert main(["models", "rollback", "--offline"]) == 2

    assert registry.aliases() == {"champion": one}
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"champion is version {one}; the control topic was not told"
    assert json.loads(lines[1]) == {
        "alias": "champion",
        "version": two,
        "before": one,
        "told": False,
    }
    assert lines[2] == f"champion is version {one} (was {two}); the control topic was not told"


@pytest.mark.usefixtures("settings")
def test_without_a_broker_nothing_is_moved(
    registry: Registry, trained: Trained, capsys: pytest.CaptureFixture[str]
) -> None:
    version = registry.register(trained, alias=None, author="me")

    assert main(["models", "promote", version]) == 1

    assert registry.aliases() == {}
    assert "--offline" in capsys.readouterr().err


@pytest.mark.usefixtures("settings")
def test_a_version_that_is_not_there_is_not_promoted(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "promote", "7", "--offline"]) == 1

    assert "unknown_version" in capsys.readouterr().err


@pytest.mark.usefixtures("settings")
def test_an_alias_that_nobody_looks_at_is_refused() -> None:
    with pytest.raises(SystemExit):
        main(["models", "promote", "1", "--alias", "previous"])


@pytest.mark.usefixtures("settings")
def test_versions_are_listed(
    registry: Registry, trained: Trained, capsys: pytest.CaptureFixture[str]
) -> None:
    version = registry.register(trained, author="me")

    assert main(["models", "list"]) == 0
    assert main(["models", "list", "--json"]) == 0

    head, line, as_json = capsys.readouterr().out.splitlines()
    assert head.split() == ["VERSION", "TRAINED", "ERROR", "CONTROL", "RIGHT", "VERDICT", "ALIASES"]
    assert line.split()[0] == version
    assert line.endswith("challenger")
    assert json.loads(as_json)["version"] == version


def more_in_the_vault(folder: Path, decisions: list[Comparison]) -> None:
    store = DecisionStore(f"sqlite:///{folder / 'store.db'}")
    settings = Settings.from_env({"GNOMON_DATA_DIR": str(folder)})
    ring = KeyRing(load_key(settings), store.keys)
    store.upsert([seal_decision(ring, decision) for decision in decisions])
    store.close()


def got_worse(version: VersionInfo) -> list[Comparison]:
    """Decisions of the next minutes, whose last half ``version`` predicted ten times too long."""
    now_ms = time.time_ns() // 1_000_000
    made = []
    for number, run in enumerate(runs(200, seed=7)):
        wrong_by = 1.0 if number < 100 else 10.0
        predicted = ModelPrediction(
            model=version.name,
            version=version.version,
            sha256=version.sha256,
            duration_s=(run.outcome.duration_s or 0.0) * wrong_by,
            success_probability=0.5,
        )
        began_ms = now_ms + number * 3_000_000
        made.append(
            msgspec.structs.replace(
                with_outcome(run, at_ms=began_ms + 1_000_000),
                decision_id=f"later {number}",
                started_at_ms=began_ms,
                predictions=[predicted],
            )
        )
    return made


def a_vault(folder: Path, *, decisions: int) -> None:
    """A key and a store with ``decisions``, and one more that cannot be opened."""
    store = DecisionStore(f"sqlite:///{folder / 'store.db'}")
    store.create()
    ring = KeyRing(create_key_file(folder / "kek.key"), store.keys)
    check_key(ring, store.canary)
    sealed = [seal_decision(ring, decision) for decision in runs(decisions)]
    spoilt = SealedDecision(
        decision_id="spoilt",
        key_id=sealed[0].key_id,
        sealed=sealed[0].sealed,
        status="matched",
        started_at_ms=1,
        ended_at_ms=2,
    )
    store.upsert([*sealed, spoilt])
    store.close()


@pytest.mark.usefixtures("settings")
def test_a_version_is_trained_from_the_vault(
    registry: Registry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a_vault(tmp_path, decisions=60)

    assert main(["train"]) == 2
    assert "60 of 60 decisions have an outcome; training needs 100" in capsys.readouterr().err
    assert main(["train", "--min-decisions", "60", "--alias", "challenger-b", "--json"]) == 0

    told = json.loads(capsys.readouterr().out)
    assert (told["decisions"], told["read"], told["unreadable"]) == (60, 60, 1)
    assert (told["learner"], told["current"], told["origins"]) == ("mix", None, 5)
    assert told["evaluation"]["n_eval"] == 30
    assert told["spread"]["mae_s"] > 0
    assert registry.aliases() == {"challenger-b": told["version"]}
    assert registry.load(told["version"]).predict(runs(1))[0][0] is not None
    stored = {path.name for path in (tmp_path / "mlartifacts").rglob("*.*")}
    assert {"model_card.md", "evaluation.json", "importance.csv", "importance.png"} <= stored
    assert {"residuals.png", "reliability.png", "shap_mean_absolute.csv"} <= stored


@pytest.mark.kafka
async def test_the_control_topic_is_told_first(
    kafka: Kafka,
    topics: str,
    settings: pytest.MonkeyPatch,
    registry: Registry,
    trained: Trained,
) -> None:
    settings.setenv("GNOMON_BROKERS", kafka.brokers)
    settings.setenv("GNOMON_TOPIC_PREFIX", topics)
    version = await asyncio.to_thread(registry.register, trained, alias=None, author="me")

    assert await asyncio.to_thread(main, ["models", "promote", version]) == 0

    consumer = AIOKafkaConsumer(
        f"{topics}control", bootstrap_servers=kafka.brokers, auto_offset_reset="earliest"
    )
    async with consumer:
        record = await asyncio.wait_for(consumer.getone(), 60)
    intent = codec.decode_model_intent(record.value)
    assert isinstance(intent, ModelIntent)
    assert record.key == b"gnomon/champion"
    assert (intent.alias, intent.version, intent.action) == ("champion", version, "promote")
    assert intent.sha256 == registry.load(version).sha256
    assert registry.aliases() == {"champion": version}


@pytest.mark.kafka
async def test_what_each_version_does_is_shown_with_the_reason(
    kafka: Kafka,
    topics: str,
    *,
    settings: pytest.MonkeyPatch,
    registry: Registry,
    trained: Trained,
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings.setenv("GNOMON_BROKERS", kafka.brokers)
    settings.setenv("GNOMON_TOPIC_PREFIX", topics)
    version = await asyncio.to_thread(registry.register, trained, author="me")
    for reason in ("older", "5 calls in a row went wrong, the last with ValueError"):
        absent = AbsentModel(model="gnomon", version=version, state="skipped", reason=reason)
        told = ModelSwitched(partition=2, offset=7, at_ms=9, models=[], absent=[absent])
        async with AIOKafkaProducer(bootstrap_servers=kafka.brokers) as producer:
            await producer.send_and_wait(f"{topics}model-switches", codec.encode(told), partition=2)

    said = f"version {version} skipped: 5 calls in a row went wrong, the last with ValueError"
    assert await asyncio.to_thread(main, ["models", "list"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == said
    assert await asyncio.to_thread(main, ["models", "list", "--json"]) == 0
    (state,) = json.loads(capsys.readouterr().out)["states"]
    assert (state["state"], state["partitions"]) == ("skipped", [2])
    assert await asyncio.to_thread(main, ["status"]) == 0
    assert f"gnomon {said}" in capsys.readouterr().out


@pytest.mark.kafka
def test_the_registrys_aliases_are_made_again_from_the_control_topic(
    kafka: Kafka,
    topics: str,
    settings: pytest.MonkeyPatch,
    registry: Registry,
    trained: Trained,
) -> None:
    settings.setenv("GNOMON_BROKERS", kafka.brokers)
    settings.setenv("GNOMON_TOPIC_PREFIX", topics)
    one, two = (registry.register(trained, alias=None, author="me") for _ in range(2))
    for arguments in (["promote", one], ["promote", two], ["rollback"]):
        assert main(["models", *arguments]) == 0
    registry.point("champion", two)
    registry.point("previous", one)
    assert registry.aliases() == {"champion": two, "previous": one}

    assert main(["models", "sync"]) == 0
    assert main(["models", "rollback"]) == 2

    assert registry.aliases() == {"champion": one}


@pytest.mark.kafka
def test_a_better_version_becomes_the_challenger_and_the_champion_stays(
    kafka: Kafka,
    topics: str,
    *,
    settings: pytest.MonkeyPatch,
    registry: Registry,
    trained: Trained,
    tmp_path: Path,
    uri: str,
) -> None:
    settings.setenv("GNOMON_BROKERS", kafka.brokers)
    settings.setenv("GNOMON_TOPIC_PREFIX", topics)
    champion = registry.register(trained, alias=None, author="me")
    assert main(["models", "promote", champion]) == 0
    a_vault(tmp_path, decisions=60)
    learn = ["learn", "--once", "--min-decisions", "50", "--learner", "pool"]

    assert main(learn) == 0
    first = registry.aliases()
    assert main(learn) == 0  # nothing is new

    assert first == registry.aliases() == {"champion": champion, "challenger": "2"}
    assert len(registry.versions()) == 2

    more_in_the_vault(tmp_path, got_worse(registry.versions()[0]))
    assert main([*learn, "--every-decisions", "100000"]) == 0

    client = MlflowClient(uri, uri)
    why = [client.get_model_version("gnomon", v).tags["gnomon.reason"] for v in ("2", "3")]
    assert why[0] == "first training"
    assert why[1].startswith("drift: the mean loss of version 2 rose from 0.0")
    assert registry.aliases()["champion"] == champion


def test_the_command_knows_every_learner() -> None:
    assert set(cli_train.LEARNERS) == set(LEARNERS)
    assert cli_train.DEFAULT_LEARNER == DEFAULT
