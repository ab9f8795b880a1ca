"""``pip install gnomon`` is the light client: the built wheel, without extras, in a bare venv.

Nothing is compiled for this wheel: the client uses no compiled module, and compiling takes longer than all
these tests.
"""

import os
import subprocess
import sys
import venv
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.support.bare import is_bare

ROOT = Path(__file__).parents[2]
NO_NETWORK = ("NewConnectionError", "Temporary failure in name resolution", "ProxyError")
ALLOWED = {"confluent-kafka", "gnomon", "msgspec", "pip", "setuptools"}
"""What may be in the environment: the base dependencies and what a venv brings."""
MIGRATION = "gnomon/store/migrations/versions/r0001_sealed_decisions.py"
HEAVY = ("aiokafka", "confluent_kafka", "faust", "mlflow", "cryptography", "numpy", "pandas")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def run(*command: "str | Path", cwd: Path = ROOT) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(  # noqa: S603  our own commands
        [str(part) for part in command],
        env={**os.environ, "GNOMON_PURE_PYTHON": "1"},
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
    )


def checked(*command: "str | Path", cwd: Path = ROOT) -> str:
    done = run(*command, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a venv that has the wheel and what it requires, nothing else."""
    folder = tmp_path_factory.mktemp("light")
    checked(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder)
    (wheel,) = folder.glob("*.whl")
    assert MIGRATION in zipfile.ZipFile(wheel).namelist()
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv" / "bin" / "python"
    done = run(python, "-m", "pip", "install", "--disable-pip-version-check", wheel)
    if is_bare() or any(word in done.stderr for word in NO_NETWORK):
        pytest.skip("no package index can be reached")
    assert done.returncode == 0, done.stderr
    return python


def script(python: Path, lines: Sequence[str], tmp_path: Path) -> str:
    return checked(python, "-W", "error", "-c", "\n".join(lines), cwd=tmp_path)


def test_only_the_base_dependencies_come_with_it(bare: Path) -> None:
    listed = checked(bare, "-m", "pip", "list", "--format", "freeze", "--disable-pip-version-check")
    names = {line.partition("==")[0].partition(" @ ")[0].lower() for line in listed.splitlines()}

    assert {"gnomon", "confluent-kafka", "msgspec"} <= names <= ALLOWED


def test_the_client_works_without_extras(bare: Path, tmp_path: Path) -> None:
    lines = [
        "from gnomon import Client",
        "nothing = Client.from_env({})",
        "with nothing.task('x') as task: task.set(code_review_iterations=1)",
        "assert nothing.close() == 0",
        "dead = Client('127.0.0.1:9', agent_id='a', exit_timeout_s=0.1)",
        "@dead.task('y')",
        "def work(): return 5",
        "assert work() == 5",
        "assert dead.flush(1.0) == 2",
        "print(dead.stats().accepted)",
    ]

    assert script(bare, lines, tmp_path) == "2\n"


def test_importing_it_costs_little_more_than_asyncio(bare: Path, tmp_path: Path) -> None:
    """At most 60 ms more on a machine that imports asyncio in 45 ms; in proportion on another."""

    def import_ms(name: str) -> float:
        lines = [
            "import time; began = time.process_time()",
            f"import {name}",
            "print((time.process_time() - began) * 1000)",
        ]
        return float(script(bare, lines, tmp_path))

    import_ms("gnomon")  # compiles it
    # Of the processor's time, by turns, and the fastest of nine: other work on the machine only ever adds.
    turns = [(import_ms("asyncio"), import_ms("gnomon")) for _ in range(9)]
    asyncio_ms, gnomon_ms = (min(turn) for turn in zip(*turns, strict=True))

    assert gnomon_ms < asyncio_ms * (45 + 60) / 45


def test_importing_it_loads_nothing_heavy(bare: Path, tmp_path: Path) -> None:
    lines = [
        "import gnomon, sys",
        f"print(sorted(set({HEAVY!r}) & set(sys.modules)))",
    ]

    assert script(bare, lines, tmp_path) == "[]\n"


@pytest.mark.parametrize(("command", "extra"), [("topics", "workers"), ("tail", "workers")])
def test_a_command_names_the_extra_it_needs(bare: Path, command: str, extra: str) -> None:
    arguments = {"topics": ["list"], "tail": ["task-events"]}[command]
    done = run(bare, "-m", "gnomon", command, *arguments)

    assert done.returncode == 2
    assert f"gnomon[{extra}]" in done.stderr
    assert "Traceback" not in done.stderr
