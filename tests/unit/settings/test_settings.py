"""Tests of settings: read from variables, refused by name, and passed on to a child unchanged."""

import dataclasses
import re
from pathlib import Path

import pytest

from gnomon.errors import ConfigurationError
from gnomon.models.circuit_breaker import CallLimits
from gnomon.settings import Settings

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


def test_no_secret_is_in_a_repr() -> None:
    """A secret is a setting whose name says so; the path of a file with a secret is none."""
    names = [f.name for f in dataclasses.fields(Settings) if SECRET.search(f.name)]
    assert "key" in names

    settings = Settings.from_env(LOGIN | {f"GNOMON_{name.upper()}": "a secret" for name in names})

    assert [getattr(settings, name) for name in names] == ["a secret"] * len(names)
    assert "a secret" not in repr(settings)


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
