"""Virtual environments of agent frameworks, which cannot share one with the workers.

Each is made once from a list of pinned versions and kept, by default under
``~/.cache/gnomon-integrations``; ``GNOMON_INTEGRATIONS_HOME`` names another place.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "tests" / "integration" / "integrations"
INSTALL_LIMIT_S = 600
RUN_LIMIT_S = 100


def python_with(framework: str) -> Path:
    """The interpreter of an environment with ``framework``; skips the test where there is none."""
    pins = FOLDER / f"{framework}.txt"
    digest = hashlib.sha256(pins.read_bytes()).hexdigest()[:12]
    home = Path(
        os.environ.get("GNOMON_INTEGRATIONS_HOME", Path.home() / ".cache" / "gnomon-integrations")
    )
    place = home / f"{framework}-{sys.implementation.cache_tag}-{digest}"
    if not place.exists():
        _make(place, pins)
    return place / "bin" / "python"


def _make(place: Path, pins: Path) -> None:
    """Make it elsewhere and rename it, so that it is whole or absent."""
    unfinished = place.with_name(f"{place.name}.{os.getpid()}")
    try:
        venv.create(unfinished, with_pip=False, symlinks=True)
        install = [sys.executable, "-m", "pip", "--python", str(unfinished / "bin" / "python")]
        install += ["install", "--quiet", "--no-deps", "--no-compile", "--only-binary", ":all:"]
        done = subprocess.run(  # noqa: S603  our own list
            [*install, "-r", str(pins)],
            capture_output=True,
            text=True,
            timeout=INSTALL_LIMIT_S,
            check=False,
        )
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["pip failed"])[-1]
            pytest.skip(f"{pins.stem} cannot be installed here: {reason}")
        try:
            unfinished.rename(place)
        except OSError:  # another session was faster
            if not place.exists():
                raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def run_in(
    framework: str, *arguments: str, environ: Mapping[str, str] | None = None, cwd: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    """Run Python there with this checkout's gnomon, and nothing of this process's settings."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    return subprocess.run(  # noqa: S603  our own code
        [str(python_with(framework)), *arguments],
        cwd=cwd,
        env={
            **kept,
            "PYTHONPATH": f"{ROOT / 'workers'}{os.pathsep}{ROOT}",
            **(environ or {}),
        },
        capture_output=True,
        text=True,
        timeout=RUN_LIMIT_S,
        check=False,
    )


def driven(framework: str, *, environ: Mapping[str, str] | None = None) -> dict[str, Any]:
    """What the driver of ``framework`` printed: by case, the events as they would be sent.

    Nothing of what was said to an agent, or by it, may be in there: each driver says SECRET.
    """
    driver = f"tests.integration.integrations.drive_{framework.replace('-', '_')}"
    done = run_in(framework, "-m", driver, environ=environ)
    assert done.returncode == 0, done.stderr[-4000:]
    printed = done.stdout.strip().splitlines()[-1]
    assert "SECRET" not in printed
    cases: dict[str, Any] = json.loads(printed)
    return cases
