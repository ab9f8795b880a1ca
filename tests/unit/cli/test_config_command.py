"""``gnomon config``: what is in force and where it came from, and what is misspelt."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gnomon.cli import main


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in os.environ if n.startswith(("GNOMON_", "SENTRY_"))]:
        monkeypatch.delenv(name)


def test_each_value_is_shown_with_its_origin_and_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "g.toml"
    file.write_text('store_url = "postgresql://u:hunter2@db/x"\nnice = 7\nmodel_poll_s = 1\n')
    monkeypatch.setenv("GNOMON_MODEL_POLL_S", "9")
    monkeypatch.setenv("GNOMON_KEY", "a secret")

    assert main(["--config", str(file), "config", "show", "--json"]) == 0
    text = capsys.readouterr().out
    shown = json.loads(text)["settings"]

    assert shown["nice"] == {"value": 7, "origin": f"{file}: nice"}
    assert shown["model_poll_s"] == {"value": 9.0, "origin": "GNOMON_MODEL_POLL_S"}
    assert shown["brokers"] == {"value": "127.0.0.1:9092", "origin": "default"}
    assert shown["store_url"]["value"] == "postgresql://u:***@db/x"
    assert shown["key"] == {"value": "***", "origin": "GNOMON_KEY"}
    assert "a secret" not in text

    monkeypatch.setenv("GNOMON_CONFIG", str(file))
    assert main(["config", "show"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.split()[:2] == ["nice", "7"] and f"({file}: nice)" in line for line in lines)


def test_every_mistake_is_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "g.toml"
    file.write_text('nise = 7\nlog_format = "xml"\n')
    monkeypatch.setenv("GNOMON_TOPIC_PREFX", "x")
    monkeypatch.setenv("GNOMON_NICE", "nice -n 10")

    assert main(["--config", str(file), "config", "check"]) == 2
    said = capsys.readouterr().err.splitlines()

    assert said == [
        "gnomon: GNOMON_TOPIC_PREFX is no variable of gnomon; did you mean GNOMON_TOPIC_PREFIX?",
        f"gnomon: {file}: 'nise' is no setting; did you mean nice?",
        f"gnomon: {file}: log_format: expected plain, json",
        "gnomon: GNOMON_NICE: Expected `int`, got `str`",
    ]
    monkeypatch.delenv("GNOMON_TOPIC_PREFX")
    monkeypatch.delenv("GNOMON_NICE")
    file.write_text("nice = 7\n")
    assert main(["--config", str(file), "config", "check"]) == 0


def test_settings_that_have_to_fit_each_other_are_checked_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "g.toml"
    file.write_text(
        'kafka_security_protocol = "SASL_SSL"\nkafka_sasl_mechanism = "PLAIN"\n'
        'kafka_sasl_username = "ada"\nkafka_ssl_check_hostname = false\n'
    )
    monkeypatch.setenv("GNOMON_KAFKA_SASL_PASSWORD", "hunter2")

    assert main(["--config", str(file), "config", "check"]) == 0

    monkeypatch.delenv("GNOMON_KAFKA_SASL_PASSWORD")
    assert main(["--config", str(file), "config", "check"]) == 2
    assert "GNOMON_KAFKA_SASL_PASSWORD" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("BROKERS", "", "brokers must be host:port,…, got none"),
        ("BROKERS", " , ", "brokers must be host:port,…, got none"),
        ("BROKERS", "kafka-1:9092,kafka-2", "brokers must be host:port,…, got 'kafka-2'"),
        ("BROKERS", "http://kafka:9092", "got 'http://kafka:9092'"),
        ("BROKERS", "kafka:99999", "got 'kafka:99999'"),
        ("BROKERS", "kafka:0", "got 'kafka:0'"),
        ("BROKERS", "a\x01b:1", "got 'a\\x01b:1'"),
        ("BROKERS", "::1:9092", "got '::1:9092'"),
        ("TOPIC_PREFIX", "a b", "GNOMON_TOPIC_PREFIX: expected text: up to 200 letters"),
        ("TOPIC_RETENTION", "task-event=30d", "got 'task-event=30d'; topics that delete by age"),
        ("STORE_URL", "mysql://db", "GNOMON_STORE_URL: expected sqlite:// or postgresql://"),
        ("MLFLOW_URI", "nonsense", "GNOMON_MLFLOW_URI is neither sqlite"),
        ("KAFKA_SECURITY_PROTOCOL", "sasl_ssl", "expected PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_"),
        ("LOG_LEVEL", "loud", "GNOMON_LOG_LEVEL: expected text: debug, info, warning"),
    ],
)
def test_a_value_that_no_command_can_use_is_refused(
    name: str,
    value: str,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(f"GNOMON_{name}", value)

    assert main(["config", "check"]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    "value", ["kafka:9092", " a.b:1 , c_d-e:65535,", "[::1]:9092", "[fe80::1%eth0]:9092", "é.fr:1"]
)
def test_addresses_of_brokers(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GNOMON_BROKERS", value)

    assert main(["config", "check"]) == 0


def test_a_file_that_begins_with_a_byte_order_mark(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "g.toml"
    file.write_text("nice = 7\n", encoding="utf-8-sig")

    assert main(["--config", str(file), "config", "show"]) == 0
    assert f"7  ({file}: nice)" in capsys.readouterr().out


def test_a_command_refuses_a_file_with_an_unknown_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "g.toml"
    file.write_text("nise = 7\n")

    assert main(["--config", str(file), "keys", "check"]) == 2

    assert capsys.readouterr().err == (
        f"gnomon: {file}: 'nise' is no setting; did you mean nice?\n"
    )


def test_a_reader_that_has_gone_is_no_traceback() -> None:
    """As with ``gnomon config show | head -1``."""
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "gnomon", "config", "show"]
    ended = subprocess.run(  # noqa: S603  this interpreter
        command, stdout=writing, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(writing)
    assert (ended.returncode, ended.stderr) == (141, "")
