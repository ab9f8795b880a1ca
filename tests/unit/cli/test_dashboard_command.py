"""Tests of ``gnomon dashboard``: its refusals are one line each, and help needs no Streamlit."""

import builtins
import socket
import subprocess
import sys
from typing import Any

import pytest

from gnomon.cli import main


def test_an_open_address_needs_a_guard(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dashboard", "--host", "0.0.0.0"]) == 2  # noqa: S104  it is refused
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "GNOMON_DASHBOARD_TOKEN" in said


def test_a_taken_port_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("streamlit", reason="streamlit is not installed")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["dashboard", "--port", str(port)]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert f"cannot serve on 127.0.0.1:{port}: Address already in use" in said
    assert "--port" in said


def test_a_missing_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = builtins.__import__

    def absent(name: str, *rest: Any, **others: Any) -> Any:
        if name.partition(".")[0] == "streamlit":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *rest, **others)

    monkeypatch.delitem(sys.modules, "gnomon.dashboard.serving", raising=False)
    monkeypatch.setattr(builtins, "__import__", absent)
    assert main(["dashboard"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "gnomon[dashboard]" in said


def test_help_imports_no_streamlit() -> None:
    script = (
        "import sys\nfrom gnomon.cli import main\n"
        "try:\n    main(['dashboard', '--help'])\nexcept SystemExit:\n    pass\n"
        "assert not {'streamlit', 'pandas', 'sqlalchemy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True, stdout=subprocess.DEVNULL)  # noqa: S603
