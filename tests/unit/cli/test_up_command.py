"""``gnomon up`` that cannot start: each mistake is one line that says what to do."""

import os
import socket
from pathlib import Path

import pytest

from gnomon.cli import main

FREE = [
    "--kafka-port",
    "0",
    "--gateway-port",
    "0",
    "--dashboard-port",
    "0",
    "--exporter-port",
    "0",
    "--workers-port",
    "0",
]


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [n for n in os.environ if n.startswith(("GNOMON_", "SENTRY_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GNOMON_DATA_DIR", str(tmp_path / "data"))


@pytest.mark.parametrize("option", ["--kafka-port", "--gateway-port", "--workers-port"])
def test_a_port_that_is_taken_is_one_line(
    option: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = str(listener.getsockname()[1])
        status = main(["up", *FREE, option, port])

    said = capsys.readouterr().err
    assert status == 2
    assert said.count("\n") == 1
    assert f"port {port} is in use" in said
    assert option in said
    assert not (tmp_path / "data").exists()


def test_a_half_written_settings_file_is_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "gnomon.toml"
    file.write_text('data_dir = "x"\nlog_le')
    status = main(["--config", str(file), "up", *FREE])

    said = capsys.readouterr().err
    assert status == 2
    assert said.count("\n") == 1
    assert str(file) in said


def test_a_broker_that_was_named_and_is_down_is_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    status = main(["up", *FREE, "--brokers", "127.0.0.1:9"])

    said = capsys.readouterr().err.splitlines()
    assert status == 1
    assert "127.0.0.1:9" in said[-1]
    assert not any("Traceback" in line for line in said)


def test_a_half_written_token_is_one_line_before_anything_starts(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "gateway.token").write_text("")
    status = main(["up", *FREE, "--secure"])

    said = capsys.readouterr().err
    assert status == 2
    assert said.count("\n") == 1
    assert "delete it" in said


def test_brokers_of_others_are_not_secured_here(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["up", *FREE, "--secure", "--brokers", "a:1"]) == 2
    assert "docs/security.md" in capsys.readouterr().err
