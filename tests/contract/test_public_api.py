"""The names others build on: what ``import gnomon`` gives, and the commands."""

import argparse
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator

import pytest
from tests.contract.contract_files import ROOT

import gnomon
from gnomon.cli import main
from gnomon.cli.main import COMMANDS, argument_parser

COMMAND_NAMES = (
    "up",
    "broker",
    "topics",
    "worker",
    "gateway",
    "train",
    "learn",
    "models",
    "baseline",
    "verdict",
    "keys",
    "vault",
    "explain",
    "replay",
    "demo",
    "drill",
    "tail",
    "dead-letters",
    "status",
    "dashboard",
    "exporter",
    "doctor",
    "completion",
    "config",
    "schemas",
)
CLIENT_NAMES = {
    "from_env",
    "enabled",
    "task",
    "traced",
    "start",
    "finish",
    "cancel",
    "emit",
    "exposures",
    "stats",
    "flush",
    "aflush",
    "close",
}


def test_the_package_exports_these_names() -> None:
    assert sorted(gnomon.__all__) == [
        "Client",
        "KafkaSecurity",
        "MemoryClient",
        "ShadowLearner",
        "__version__",
        "install_sigterm",
    ]
    assert all(hasattr(gnomon, name) for name in gnomon.__all__)


def test_the_client_has_these_names() -> None:
    assert {name for name in dir(gnomon.Client) if not name.startswith("_")} == CLIENT_NAMES


def test_the_version_is_that_of_the_distribution() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert gnomon.__version__ == project["version"]


def test_importing_gnomon_brings_nothing_heavy() -> None:
    """In a process of its own: what other tests imported does not count."""
    code = "import sys, gnomon, gnomon.experiment; print(*sys.modules)"
    done = subprocess.run(  # noqa: S603  our own interpreter and code
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=50
    )
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    heavy = {"faust", "mlflow", "sklearn", "numpy", "pandas", "cryptography", "sqlalchemy", "rich"}
    assert "msgspec" in loaded
    assert loaded & heavy == set()


def test_the_commands_are_these() -> None:
    assert tuple(name for name, *_ in COMMANDS) == COMMAND_NAMES


def test_every_command_names_an_extra_that_exists() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {extra for _, _, extra, _ in COMMANDS} <= project["optional-dependencies"].keys()


@pytest.mark.parametrize("command", COMMAND_NAMES)
def test_a_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"usage: gnomon {command}")
    assert re.search(rf"examples?:\s+(\S.*)?gnomon {command}\b", shown), shown


def _options(parser: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.Action]]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for sub in action.choices.values():
                yield from _options(sub)
        elif action.help:
            yield parser.prog, action


def test_the_default_that_a_help_names_is_the_default() -> None:
    """A help names it in parentheses, as in ``(200)``."""
    named = 0
    for command, action in _options(argument_parser(lambda _: True)):
        found = re.search(r"\(([0-9][0-9,.]*)\)", action.help or "")
        if found and action.default is not None:
            named += 1
            default = float(found[1].replace(",", ""))
            assert float(action.default) == default, f"{command} {action.option_strings}"
    assert named > 20


@pytest.mark.parametrize("command", COMMAND_NAMES)
def test_a_readme_names_every_command(command: str) -> None:
    text = (ROOT / "README.md").read_text() + (ROOT / "schemas" / "README.md").read_text()
    assert re.search(rf"\b(gnomon|make) {command}\b", text)


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert re.findall(r"^    ([a-z-]+)(?:  |$)", shown, re.MULTILINE) == list(COMMAND_NAMES)


def test_an_unknown_command_is_a_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["sundial"])
    assert ended.value.code == 2
    assert "sundial" in capsys.readouterr().err
