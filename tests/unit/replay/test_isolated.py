"""A replay has the settings of its process, except for where its data are."""

from pathlib import Path

from tests.unit.replay.source.reading_files import CASES

from gnomon.replay.isolated import isolated
from gnomon.replay.source import Columns, read_runs
from gnomon.settings import Settings

CHANGED = {
    "GNOMON_MAX_LATENESS_S": "7",
    "GNOMON_MODEL_NAME": "other",
    "GNOMON_BATCH_MAX_RECORDS": "11",
    "GNOMON_STALL_AFTER_S": "99",
    "GNOMON_LOG_FORMAT": "json",
}
HOUR_S = 3600


def of(
    environ: dict[str, str], file: str = "words_airflow.csv", brokers: str | None = None
) -> Settings:
    runs = read_runs(CASES / file, Columns())
    return isolated(Settings.from_env(environ), runs, name="x", brokers=brokers)


def test_settings_are_passed_on() -> None:
    own = of(CHANGED).as_environ()

    assert {name: own[name].removesuffix(".0") for name in CHANGED} == CHANGED


def test_stores_and_topics_are_its_own(tmp_path: Path) -> None:
    live = {
        "GNOMON_DATA_DIR": str(tmp_path),
        "GNOMON_STORE_URL": "postgresql://live",
        "GNOMON_MLFLOW_URI": "http://live",
        "GNOMON_STATE_URL": "/live",
        "GNOMON_INSTANCE_ID": "live",
    }

    own = of(live)

    assert own.data_dir == str(tmp_path / "replays" / "x")
    assert own.topic_prefix == "replay-x-"
    assert "live" not in f"{own.store_url}{own.mlflow_uri}{own.state_url}{own.instance_id}"


def test_what_the_file_knows_does_not_expire() -> None:
    assert of({}, "one_long.csv").expire_after_s >= 30 * HOUR_S + 1
    assert of({}).expire_after_s == 24 * HOUR_S


def test_an_expiry_that_is_said_reaches_the_workers() -> None:
    assert of({"GNOMON_EXPIRE_AFTER_S": "3600"}, "one_long.csv").expire_after_s == HOUR_S


def test_a_broker_of_its_own_asks_for_no_login_and_a_given_one_for_that_of_the_process() -> None:
    secured = {
        "GNOMON_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "GNOMON_KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
        "GNOMON_KAFKA_SASL_USERNAME": "replayer",
        "GNOMON_KAFKA_SASL_PASSWORD": "s3cret",
    }

    assert of(secured).kafka_security_protocol == "PLAINTEXT"
    given = of(secured, brokers="host:9093")
    assert (given.brokers, given.kafka_sasl_username) == ("host:9093", "replayer")
