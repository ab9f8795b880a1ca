"""Runs programs of a few lines, each in a process of its own, to test what a client does to it."""

import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).parents[2]
MOST_S = 60.0
IN_MEMORY = """
import gnomon.client.capture.intake as outlet
from gnomon import Client
from tests.support.client.producers import MemoryProducer, in_place_of_kafka
memory = MemoryProducer()
outlet.kafka = in_place_of_kafka(memory)
client = Client("kafka.invalid:9092", agent_id="a")
def ids():
    return [event.task_id for event in memory.events]
"""
"""The beginning of a program whose client delivers into ``memory``, a list of the process."""


def run(
    *parts: str, arguments: tuple[str, ...] = (), timeout_s: float = MOST_S
) -> "subprocess.CompletedProcess[str]":
    """Run ``parts``, one after another; warnings are errors, except that about forks with threads."""
    warnings = ["-W", "error", "-W", "ignore:.*fork:DeprecationWarning"]
    body = "\n".join(textwrap.dedent(part) for part in parts)
    return subprocess.run(  # noqa: S603  our own script
        [sys.executable, *warnings, "-c", body, *arguments],
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
        cwd=ROOT,
    )


def run_file(
    place: Path, body: str, arguments: tuple[str, ...] = (), *, timeout_s: float = MOST_S
) -> "subprocess.CompletedProcess[str]":
    """The same for a program that other processes import: it needs a file."""
    script = place / "program.py"
    script.write_text(f"import sys\nsys.path.insert(0, {str(ROOT)!r})\n" + textwrap.dedent(body))
    return subprocess.run(  # noqa: S603  our own script
        [sys.executable, str(script), *arguments],
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
        cwd=place,
    )
