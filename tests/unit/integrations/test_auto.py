"""Frameworks are instrumented as they are imported, and an application runs as it would alone."""

import importlib
import logging
import subprocess
import sys
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from gnomon.integrations import auto

ROOT = Path(__file__).parents[3]
EVERY = {"langchain", "openai-agents", "crewai"}
Write = Callable[..., None]


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, set()),
        ({"GNOMON_TRACE": ""}, set()),
        ({"GNOMON_TRACE": "0"}, set()),
        ({"GNOMON_TRACE": "Off"}, set()),
        ({"GNOMON_TRACE": "1"}, EVERY),
        ({"GNOMON_TRACE": "true"}, EVERY),
        ({"GNOMON_TRACE": "crewai, openai_agents"}, {"crewai", "openai-agents"}),
    ],
)
def test_which_frameworks_the_variable_asks_for(
    environ: Mapping[str, str], expected: set[str]
) -> None:
    assert auto.wanted(environ) == expected


def test_an_unknown_framework_is_named_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="gnomon"):
        assert auto.wanted({"GNOMON_TRACE": "crewai,langchian"}) == {"crewai"}
    assert "langchian" in caplog.text


@pytest.mark.parametrize("framework", sorted(EVERY))
def test_a_framework_has_an_extra_pinned_requirements_and_documentation(framework: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pins = ROOT / "tests" / "integration" / "integrations" / f"{framework}.txt"
    documented = (ROOT / "docs" / "integrations.md").read_text()
    assert framework in project["optional-dependencies"]
    assert pins.exists()
    assert f"from gnomon.integrations.{framework.replace('-', '_')} import" in documented


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes a framework and what listens to it; both are importable and known as ``fake``."""
    known = MappingProxyType({"fake": ("fakeframework", "fakelistener")})
    monkeypatch.setattr(auto, "FRAMEWORKS", {**known, "langchain": ("x", "y")})
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(*, framework: str, listener: str) -> None:
        (tmp_path / "fakeframework.py").write_text(framework)
        (tmp_path / "fakelistener.py").write_text(listener)
        importlib.invalidate_caches()
        for name in ("fakeframework", "fakelistener"):
            monkeypatch.delitem(sys.modules, name, raising=False)

    return write


LISTENER = "import fakeframework\ndef instrument(): fakeframework.heard.append(fakeframework.whole)"


def test_a_framework_is_instrumented_once_it_has_been_imported_whole(write: Write) -> None:
    write(framework="heard = []\nwhole = True", listener=LISTENER)
    auto.watch(frozenset({"fake"}))
    assert "fakelistener" not in sys.modules
    module = importlib.import_module("fakeframework")
    assert module.heard == [True]
    assert type(module.__loader__).__name__ == "SourceFileLoader"
    assert module.__spec__ is not None
    assert module.__spec__.loader is module.__loader__
    importlib.reload(module)
    assert module.heard == []


def test_one_that_is_imported_already_is_instrumented_at_once(write: Write) -> None:
    write(framework="heard = []\nwhole = True", listener=LISTENER)
    module = importlib.import_module("fakeframework")
    auto.watch(frozenset({"fake"}))
    assert module.heard == [True]


def test_one_that_does_not_fit_is_left_as_it_is(
    write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    write(framework="whole = True", listener="import fakeframework\nfakeframework.gone")
    auto.watch(frozenset({"fake"}))
    with caplog.at_level(logging.WARNING, logger="gnomon"):
        assert importlib.import_module("fakeframework").whole
    assert "nothing is recorded" in caplog.text


def test_one_that_is_not_installed_fails_as_ever(write: Write, tmp_path: Path) -> None:
    write(framework="", listener="")
    (tmp_path / "fakeframework.py").unlink()
    importlib.invalidate_caches()
    auto.watch(frozenset({"fake"}))
    with pytest.raises(ModuleNotFoundError, match="fakeframework"):
        importlib.import_module("fakeframework")


APPLICATION = """\
import sys
import beside
print(__name__, sys.argv[1:], beside.where, sys.path[0])
sys.exit(3)
"""


@pytest.mark.parametrize("way", [["../app.py"], ["-m", "app"]])
def test_an_application_runs_as_it_would_alone(way: list[str], tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for folder in (tmp_path, elsewhere):
        (folder / "app.py").write_text(APPLICATION)
        (folder / "beside.py").write_text(f"where = {str(folder)!r}")
    done = [
        subprocess.run(  # noqa: S603  our own code
            [sys.executable, *runner, *way, "a", "-b"],
            cwd=elsewhere,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        for runner in ([], ["-m", "gnomon.integrations"])
    ]
    alone, seen = done
    assert alone.stdout.startswith("__main__ ['a', '-b'] ")
    assert (seen.stdout, seen.returncode) == (alone.stdout, 3)


def test_without_an_application_it_says_how_to_be_used(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gnomon.integrations"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("usage: ")
