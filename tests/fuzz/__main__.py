"""Fuzzes all compiled modules: ``python -m tests.fuzz --seconds 60``; ``make fuzz`` does it.

Every target runs in a process of its own, with sanitizers where the compiler has them. Exits with 1
if there was a finding; its input is then in ``build/fuzz/findings``.
"""

import argparse
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.fuzz import build
from tests.fuzz.fuzz_target import LENGTH_BYTES
from tests.fuzz.targets import TARGETS

FOLDER = build.ROOT / "build" / "fuzz"
LIBRARIES = ("libasan.so", "libubsan.so")
STARTUP_S = 300
"""How much longer than its share a target may take: to start, and for its last input."""


def main() -> int:
    """Fuzz each target for its share of the time; returns 1 if there was a finding."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--seconds", type=float, default=60, help="for all targets together")
    parser.add_argument("targets", nargs="*", help=f"of {', '.join(TARGETS)}; default: all")
    options = parser.parse_args()
    names = options.targets or list(TARGETS)
    environment, counter = _prepared(FOLDER)
    findings = 0
    for name in names:
        findings += _fuzzed(name, options.seconds / len(names), environment, counter)
    print(f"{findings} findings" if findings else "no finding")
    return min(findings, 1)


def _prepared(folder: Path) -> tuple[dict[str, str], str]:
    """Build what is fuzzed: the environment of its processes, and the library of its counters."""
    environment = dict(os.environ)
    libraries = [found for name in LIBRARIES if (found := build.library(name))]
    if len(libraries) < len(LIBRARIES):
        print("no sanitizers and no coverage: this compiler has no shared libasan and libubsan")
        return environment, ""
    print("building gnomon with AddressSanitizer and UndefinedBehaviorSanitizer", flush=True)
    counter = build.build(folder / "package")
    environment |= {
        # Python's own allocator would hide a read behind the end of a string.
        "PYTHONMALLOC": "malloc",
        "PYTHONPATH": str(folder / "package"),
        "LD_PRELOAD": f"{libraries[0]} {counter}",
        "ASAN_OPTIONS": "detect_leaks=0",
        "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
    }
    return environment, str(counter)


def _fuzzed(name: str, duration_s: float, environment: dict[str, str], counter: str) -> int:
    """Fuzz one target; the number of findings."""
    command = [sys.executable, "-m", "tests.fuzz.fuzz_target", name, str(duration_s), str(FOLDER)]
    started_s = time.monotonic()
    with subprocess.Popen(  # noqa: S603  this module's own
        [*command, counter], cwd=build.ROOT, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        try:
            out, err = process.communicate(timeout=duration_s + STARTUP_S)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            out, err = process.communicate()
            err += f"\none input took longer than {STARTUP_S} s"
    if process.returncode == 0:
        facts = json.loads(out)
        spent_s = time.monotonic() - started_s
        print(
            f"{name:16} {facts['runs']:>9,} runs in {spent_s:5.0f} s, {facts['corpus']:>5,} inputs "
            f"kept, {facts['steps']:>6,} steps covered",
            flush=True,
        )
        return 0
    print(f"{name}: ended with {process.returncode}; its input: {_saved(name)}\n{err[-6000:]}")
    return 1


def _saved(name: str) -> Path:
    """Keep the input that was in hand."""
    mapped = (FOLDER / f"{name}.input").read_bytes()
    n = int.from_bytes(mapped[:LENGTH_BYTES], "little")
    data = mapped[LENGTH_BYTES : LENGTH_BYTES + n]
    path = FOLDER / "findings" / name / hashlib.sha256(data).hexdigest()[:16]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


if __name__ == "__main__":
    sys.exit(main())
