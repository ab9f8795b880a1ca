"""``gnomon learn`` before there is anything to learn from: it waits, cheaply, and stops at once."""

import signal
import subprocess
from pathlib import Path

import pytest
from tests.support.commands import GNOMON, environ, gnomon
from tests.support.polling import eventually_sync


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_waits_for_decisions_without_what_trains(tmp_path: Path, number: signal.Signals) -> None:
    assert gnomon("keys", "init", GNOMON_DATA_DIR=str(tmp_path)).returncode == 0
    with (tmp_path / "said").open("wb") as said:
        process = subprocess.Popen(  # noqa: S603  our own command
            [*GNOMON, "learn"],
            env=environ({"GNOMON_DATA_DIR": str(tmp_path)}),
            stdout=said,
            stderr=said,
        )
    try:
        eventually_sync(
            lambda: "looking every" in (tmp_path / "said").read_text(), what="it has begun"
        )
        eventually_sync(
            lambda: "_sqlite" in Path(f"/proc/{process.pid}/maps").read_text(),
            what="it looks into the store",
        )
        assert "mlflow" not in Path(f"/proc/{process.pid}/maps").read_text()
        assert "sklearn" not in Path(f"/proc/{process.pid}/maps").read_text()

        process.send_signal(number)

        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
    assert "Traceback" not in (tmp_path / "said").read_text()


def test_without_a_key_it_ends_with_what_to_do(tmp_path: Path) -> None:
    done = gnomon("learn", GNOMON_DATA_DIR=str(tmp_path))

    assert done.returncode == 2
    assert "gnomon keys init" in done.stderr
    assert "Traceback" not in done.stderr
