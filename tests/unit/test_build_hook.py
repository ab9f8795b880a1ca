"""The wheel has the compiled modules where they could be compiled, and says why where not."""

import importlib
from pathlib import Path
from typing import Any

import pytest

hatch_build: Any = importlib.import_module("hatch_build")  # its own imports are untyped


class App:
    """Keeps the warnings."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def display_warning(self, message: str) -> None:
        self.warnings.append(message)


def built(root: Path, app: App) -> dict[str, Any]:
    """What the hook puts into the data of a wheel's build."""
    data: dict[str, Any] = {"artifacts": [], "pure_python": True}
    hook = hatch_build.NativeBuildHook(str(root), {}, None, None, str(root), "wheel", app)
    hook.initialize("standard", data)
    return data


@pytest.fixture(autouse=True)
def _compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GNOMON_PURE_PYTHON", raising=False)
    monkeypatch.setattr(hatch_build, "compile_native", lambda root: [root / "workers/gnomon/a.so"])


def test_compiled_modules_are_in_a_wheel_for_this_platform(tmp_path: Path) -> None:
    assert built(tmp_path, App()) == {
        "artifacts": ["workers/gnomon/a.so"],
        "pure_python": False,
        "infer_tag": True,
    }


def test_without_a_compiler_the_wheel_is_pure_and_a_warning_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: Path) -> list[Path]:
        raise OSError("no cc")

    monkeypatch.setattr(hatch_build, "compile_native", fails)
    app = App()

    assert built(tmp_path, app) == {"artifacts": [], "pure_python": True}
    (warning,) = app.warnings
    assert "no cc" in warning


def test_a_variable_turns_compiling_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GNOMON_PURE_PYTHON", "1")
    app = App()

    assert built(tmp_path, app) == {"artifacts": [], "pure_python": True}
    assert app.warnings == []
