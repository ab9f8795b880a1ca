"""Programs of a few lines, each in a process of its own: for what a client does to its process."""

import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).parents[2]
MOST_S = 60.0
IN_MEMORY = """
import gnomon.client.capture.intake as outlet
from gnomon import Client
from tests.support.producers import MemoryProducer, in_place_of_kafka
memory = MemoryProducer()
outlet.kafka = in_place_of_kafka(memory)
client = Client("kafka.invalid:9092", agent_id="a")
def ids():
    return [event.task_id for event in memory.events]
"""
"""A client that delivers into ``memory``, each process into its own."""


def run(
    *parts: str, arguments: tuple[str, ...] = (), timeout_s: float = MOST_S
) -> "subprocess.CompletedProcess[str]":
    """Run ``parts``, one after another; warnings are errors, but for that of forks with threads."""
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
