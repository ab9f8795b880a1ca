"""``pip install gnomon`` is the light client: the built wheel, without extras, in a bare venv."""

import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NO_NETWORK = ("NewConnectionError", "Temporary failure in name resolution", "ProxyError")
ALLOWED = {"aiokafka", "async-timeout", "gnomon", "msgspec", "packaging", "pip", "setuptools"} | {
    "typing-extensions",
    "typing_extensions",
}
"""What may be in the environment: the base dependencies, theirs, and what a venv brings."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def run(*command: "str | Path", cwd: Path = ROOT) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(  # noqa: S603  our own commands
        [str(part) for part in command], capture_output=True, text=True, check=False, cwd=cwd
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
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv" / "bin" / "python"
    done = run(python, "-m", "pip", "install", "--disable-pip-version-check", wheel)
    if any(word in done.stderr for word in NO_NETWORK):
        pytest.skip("no package index can be reached")
    assert done.returncode == 0, done.stderr
    return python


def script(python: Path, lines: Sequence[str], tmp_path: Path) -> str:
    return checked(python, "-W", "error", "-c", "\n".join(lines), cwd=tmp_path)


def test_only_the_base_dependencies_come_with_it(bare: Path) -> None:
    listed = checked(bare, "-m", "pip", "list", "--format", "freeze", "--disable-pip-version-check")
    names = {line.partition("==")[0].partition(" @ ")[0].lower() for line in listed.splitlines()}

    assert {"gnomon", "aiokafka", "msgspec"} <= names <= ALLOWED


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
