"""Tests of ``gnomon demo`` as a person runs it."""

import os
import re
import signal
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote

import pytest
from tests.conftest import Kafka
from tests.support.commands import GNOMON, environ, gnomon, processes_of
from tests.support.polling import eventually_sync
from tests.support.servers.gateway import some_events

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(400)]

SECONDS = 20
"""Longer on a slow machine: the demo waits until its first version predicts."""
LEAST_DECISIONS = 100
"""Low bound: a loaded machine of two cores spends half of the time on the start."""


@contextmanager
def demonstrating(folder: Path, *options: str, seconds: int) -> Iterator["subprocess.Popen[bytes]"]:
    """A running ``gnomon demo``, which is killed at the end if it still runs."""
    with (folder / "stdout").open("wb") as printed, (folder / "stderr").open("wb") as said:
        process = subprocess.Popen(  # noqa: S603  our own command
            [*GNOMON, "demo", "--seconds", str(seconds), *options],
            env=environ({"GNOMON_DATA_DIR": str(folder / "data")}),
            stdout=printed,
            stderr=said,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for pid in processes_of(folder / "data"):
            os.kill(pid, signal.SIGKILL)


def test_it_makes_decisions_and_a_version_and_is_kept_with_a_gateway_that_asks_for_a_token(
    kafka: Kafka, tmp_path: Path
) -> None:
    """On a secured broker. The fixture ``kafka`` only skips this test where Kafka cannot run."""
    assert kafka.brokers
    with demonstrating(tmp_path, "--secure", "--keep", seconds=SECONDS) as process:
        eventually_sync(
            lambda: (
                re.search(r"^gateway +ready", (tmp_path / "stdout").read_text(), re.MULTILINE)
                or process.poll() is not None
            ),
            timeout_s=270,
            what="the gateway is ready",
        )
        assert_only_the_token_opens_the_gateway(next((tmp_path / "data" / "demos").iterdir()))
        process.send_signal(signal.SIGINT)
        status = process.wait(60)
    printed, said = (tmp_path / "stdout").read_text(), (tmp_path / "stderr").read_text()

    assert status == 0, said
    assert "Traceback" not in printed + said
    ledger = re.search(
        r"ledger: (\d+) predictions = (\d+) matched \+ (\d+) pending \+ (\d+) expired"
        r" \+ (\d+) cancelled",
        printed,
    )
    assert ledger is not None, printed
    predictions, *parts = map(int, ledger.groups())
    assert predictions == sum(parts) > LEAST_DECISIONS
    predicted = [int(n) for n in re.findall(r"^\W*gnomon\W+\d+\W+(\d+)\W", printed, re.MULTILINE)]
    assert predicted, printed
    assert max(predicted) > 0
    stored = re.search(r"^(\d+) decisions, each sealed", printed, re.MULTILINE)
    assert stored is not None, printed
    assert int(stored[1]) >= predictions - parts[1]
    assert "verdict: CONTINUE. Version " in printed
    assert processes_of(tmp_path / "data") == {}
    (data,) = (tmp_path / "data" / "demos").iterdir()
    counted = gnomon("vault", "stats", GNOMON_DATA_DIR=str(data))
    assert f"decisions  {stored[1]}\n" in counted.stdout


def await_fleet(process: "subprocess.Popen[bytes]", folder: Path) -> None:
    eventually_sync(
        lambda: (
            any("gnomon.demo.fleet" in c for c in processes_of(folder / "data").values())
            or process.poll() is not None
        ),
        timeout_s=120,
        what="the fleet at work",
    )


def assert_only_the_token_opens_the_gateway(data: Path) -> None:
    """Over TLS, by the variables that are shown, as OpenTelemetry's exporters read them."""
    lines = (data / "gateway.env").read_text().splitlines()
    given = dict(line.removeprefix("export ").split("=", 1) for line in lines)
    url, headers, authority = (
        given[f"OTEL_EXPORTER_OTLP_{name}"].strip("'")
        for name in ("ENDPOINT", "HEADERS", "CERTIFICATE")
    )
    assert url.startswith("https://")
    right = unquote(headers).partition("=")[2]
    context = ssl.create_default_context(cafile=authority)
    statuses = []
    for authorization in ("", "Bearer guess", right):
        request = urllib.request.Request(  # noqa: S310  our own gateway
            f"{url}/v1/events",
            data=some_events(1),
            headers={"Authorization": authorization} if authorization else {},
        )
        try:
            with urllib.request.urlopen(request, timeout=30, context=context) as answer:  # noqa: S310
                statuses.append(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                statuses.append(error.code)
    assert statuses == [401, 401, 202]


def test_ctrl_c_ends_it_and_leaves_no_process(kafka: Kafka, tmp_path: Path) -> None:
    assert kafka.brokers
    with demonstrating(tmp_path, seconds=30) as process:
        await_fleet(process, tmp_path)
        assert len(processes_of(tmp_path / "data")) >= 7

        process.send_signal(signal.SIGINT)

        assert process.wait(150) == 130
        assert processes_of(tmp_path / "data") == {}
    assert "Traceback" not in (tmp_path / "stderr").read_text()


def test_a_killed_demo_leaves_no_process(kafka: Kafka, tmp_path: Path) -> None:
    assert kafka.brokers
    with demonstrating(tmp_path, seconds=300) as process:
        await_fleet(process, tmp_path)

        process.kill()

        eventually_sync(
            lambda: not processes_of(tmp_path / "data"), timeout_s=60, what="all have ended"
        )
