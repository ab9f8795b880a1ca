"""Tests of settings: read from variables, refused by name, and passed on to a child unchanged."""

import dataclasses
import re
from pathlib import Path

import pytest

from gnomon.errors import ConfigurationError
from gnomon.models.circuit_breaker import CallLimits
from gnomon.settings import Settings
from gnomon.settings.settings import DECLARED

LOGIN = {
    "GNOMON_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
    "GNOMON_KAFKA_SASL_MECHANISM": "PLAIN",
    "GNOMON_KAFKA_SASL_USERNAME": "ada",
}
"""A password without these does not fit."""
SECRET = re.compile(r"(key|token|password|secret)$")


def test_variables_become_settings_and_others_are_ignored() -> None:
    given = {
        "GNOMON_BROKERS": "a:1,b:2",
        "GNOMON_MODEL_POLL_S": "0.25",
        "GNOMON_BATCH_MAX_RECORDS": "7",
        "GNOMON_LOG_LEVEL": "debug",
        "GNOMON_LOG_FORMAT": "json",
        "GNOMON_NO_SUCH_THING": "x",
        "BROKERS": "c:3",
    }

    settings = Settings.from_env(given)

    assert (settings.brokers, settings.model_poll_s) == ("a:1,b:2", 0.25)
    assert (settings.batch_max_records, settings.log_level) == (7, "debug")
    assert (settings.log_format, settings.topic_prefix) == ("json", "")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GNOMON_LOG_LEVEL", "loud"),
        ("GNOMON_LOG_FORMAT", "xml"),
        ("GNOMON_MODEL_POLL_S", "soon"),
        ("GNOMON_MODEL_POLL_S", "0"),
        ("GNOMON_MODEL_POLL_S", "-1"),
        ("GNOMON_MODEL_POLL_S", "nan"),
        ("GNOMON_MODEL_POLL_S", ""),
        ("GNOMON_EXPIRE_AFTER_S", "inf"),
        ("GNOMON_MAX_LATENESS_S", "-1"),
        ("GNOMON_BATCH_MAX_RECORDS", "0"),
        ("GNOMON_BATCH_MAX_RECORDS", "1.5"),
        ("GNOMON_SHED_LAG_RECORDS", "-1"),
    ],
)
def test_a_value_that_cannot_be_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{name}: ") as raised:
        Settings.from_env({"GNOMON_KEY": "a secret", name: value})

    assert "a secret" not in str(raised.value)


def test_a_child_gets_the_same_settings() -> None:
    settings = Settings(brokers="a:1", model_poll_s=0.5, key="k", log_format="json")

    assert Settings.from_env(settings.as_environ()) == settings


def test_a_child_takes_no_value_of_its_environment_that_its_parent_replaced() -> None:
    inherited = {"GNOMON_TOPIC_PREFIX": "x-", "GNOMON_CONFIG": "/no/such/file", "SENTRY_DSN": "s"}
    settings = Settings(topic_prefix="", sentry_dsn="")

    environ = {**inherited, **settings.as_environ()}

    assert Settings.from_env(environ) == settings
    assert not environ["GNOMON_CONFIG"]


def test_no_secret_is_in_a_repr() -> None:
    """A secret is a setting whose name says so; the path of a file with a secret is none."""
    names = [f.name for f in dataclasses.fields(Settings) if SECRET.search(f.name)]
    assert "key" in names

    settings = Settings.from_env(LOGIN | {DECLARED[name].variable: "a secret" for name in names})

    assert [getattr(settings, name) for name in names] == ["a secret"] * len(names)
    assert "a secret" not in repr(settings)


def test_passwords_in_urls_are_not_in_a_repr() -> None:
    settings = Settings(
        store_url="postgresql://gnomon:pa@ss:word@db:5432/d?sslmode=require&sslpassword=hidden",
        mlflow_uri="https://me:hunter2@mlflow/x",
    )

    shown = repr(settings)

    for secret in ("pa@ss", "word@", "hidden", "hunter2"):
        assert secret not in shown
    assert "postgresql://gnomon:***@db:5432/d?sslmode=require" in shown
    assert "https://me:***@mlflow/x" in shown


@pytest.mark.parametrize(
    ("name", "stages"),
    [
        ("max_lateness_s", {"features"}),
        ("max_clock_ahead_s", {"features", "comparison"}),
        ("expire_after_s", {"comparison"}),
        ("model_poll_s", set()),
    ],
)
def test_a_setting_that_a_state_depends_on_is_part_of_what_its_snapshots_keep(
    name: str, stages: set[str]
) -> None:
    """That a change of these changes the state is what ``comparison/config.py`` says."""
    before, after = Settings(), Settings.from_env({f"GNOMON_{name.upper()}": "17"})

    changed = {
        s for s in ("features", "comparison", "vault") if before.folded(s) != after.folded(s)
    }

    assert changed == stages


@pytest.mark.parametrize(
    "url",
    ["s3://bucket/state", "gs://b", "https://host/x", "file://host/x", "file://data", "file://"],
)
def test_a_state_url_that_is_no_folder_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"GNOMON_STATE_URL: expected a path or file:///"):
        Settings.from_env({"GNOMON_STATE_URL": url})


@pytest.mark.parametrize(
    "url", ["/data/state", "file:///data/state", "file://localhost/data/state"]
)
def test_a_state_url_is_a_path_or_a_file_url(url: str) -> None:
    assert Settings.from_env({"GNOMON_STATE_URL": url}).state_folder() == Path("/data/state")


def test_two_processes_with_other_settings_have_other_digests() -> None:
    one = Settings(data_dir="/d")

    assert one.digest() == Settings(data_dir="/d").digest()
    assert one.digest() != Settings(data_dir="/d", nice=6).digest()
    assert re.fullmatch("[0-9a-f]{12}", one.digest())


def test_files_are_in_the_data_folder_unless_said_otherwise() -> None:
    settings = Settings(data_dir="/place", store_url="sqlite:///elsewhere.db")

    assert settings.store_url == "sqlite:///elsewhere.db"
    assert settings.key_file == "/place/kek.key"
    assert settings.mlflow_uri == "sqlite:////place/mlflow.db"
    assert settings.state_url == "/place/state"
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.brokers = "x"  # type: ignore[misc]


def test_the_documented_limits_of_models_are_the_defaults() -> None:
    text = (Path(__file__).parents[3] / "docs" / "operations.md").read_text()
    rows = re.findall(r"^\| `GNOMON_(MODEL_\w+)` \|.*\| ([\d.]+) \|$", text, re.MULTILINE)
    limits = CallLimits()

    assert len(rows) == 5
    for name, default in rows:
        assert getattr(Settings(), name.lower()) == float(default)
        assert getattr(limits, name.lower().removeprefix("model_")) == float(default)
