"""Other engines that do the same work, each in a virtual environment of its own.

The environments are in ``~/.cache/gnomon-bench``, or in ``$GNOMON_BENCH_HOME``.
"""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

JOBS = Path(__file__).parents[1] / "jobs"
FLINK_CONNECTOR = ("org.apache.flink", "flink-sql-connector-kafka", "5.0.0-2.2")


class UnavailableError(Exception):
    """The engine cannot run here; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """An engine other than gnomon.

    Attributes:
        packages: Packages to install.
        argv: Arguments of its interpreter.
        events: Number of events it reads: enough for ten seconds, as only rates are compared.
        by_event_time: Whether its vectors include tasks that were read after the start.
        hour_only: Whether it computes only the four features of the hour.
        home: Name of the virtual environment; its own by default.
    """

    name: str
    packages: Sequence[str]
    argv: Sequence[str]
    events: int
    by_event_time: bool = False
    hour_only: bool = False
    home: str = ""


PEERS = (
    Peer(
        name="bytewax",
        packages=("bytewax==0.21.1", "confluent-kafka==2.16.1"),
        argv=("-m", "bytewax.run", "bytewax_job:flow"),
        events=200_000,
    ),
    Peer(
        name="quix",
        packages=("quixstreams==3.25.0",),
        argv=(str(JOBS / "quix_state.py"),),
        events=80_000,
    ),
    Peer(
        name="flink",
        packages=("apache-flink==2.2.0",),
        argv=(str(JOBS / "flink_sql.py"),),
        events=480_000,
        by_event_time=True,
        hour_only=True,
    ),
    Peer(
        name="faust",
        packages=("faust-streaming==0.15.3",),
        argv=(str(JOBS / "faust_taught.py"), "worker", "-l", "warn"),
        events=10_000,
    ),
)
HOUR_ONLY = tuple(
    replace(peer, name=f"{peer.name} hour only", home=peer.name, hour_only=True)
    for peer in PEERS
    if not peer.hour_only
)
"""The same engines with fewer features, to show what the others cost."""


def home() -> Path:
    """Return the folder of the virtual environments."""
    return Path(os.environ.get("GNOMON_BENCH_HOME", Path.home() / ".cache" / "gnomon-bench"))


def installed(peer: Peer) -> bool:
    """Return whether the virtual environment exists, with the versions named here."""
    try:
        return _stamp(peer).read_text(encoding="utf-8").split() == list(peer.packages)
    except OSError:
        return False


def command(peer: Peer) -> tuple[Sequence[str], Mapping[str, str]]:
    """Return the engine's command line and variables; install it first if it is missing.

    Raises:
        UnavailableError: It cannot be installed here.
    """
    env = {"PYTHONPATH": str(JOBS), "FIGURES": "hour" if peer.hour_only else "all"}
    try:
        if not installed(peer):
            _install(peer)
        if peer.name == "flink":
            env["FLINK_KAFKA_JAR"] = str(_flink_connector())
    except subprocess.CalledProcessError as error:
        lines = str(error.stderr or error.stdout or error).strip().splitlines()
        raise UnavailableError(lines[-1] if lines else repr(error)) from error
    except OSError as error:
        raise UnavailableError(str(error)) from error
    return [str(_place(peer) / "bin" / "python"), *peer.argv], env


def _place(peer: Peer) -> Path:
    return home() / (peer.home or peer.name)


def _stamp(peer: Peer) -> Path:
    return _place(peer) / ".made"


def _install(peer: Peer) -> None:
    place = _place(peer)
    print(f"  installing {' '.join(peer.packages)} into {place}", flush=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    _run(sys.executable, "-m", "venv", "--clear", str(place))
    pip = (str(place / "bin" / "python"), "-m", "pip", "--disable-pip-version-check")
    _run(*pip, "install", "--quiet", *peer.packages)
    _stamp(peer).write_text("\n".join(peer.packages), encoding="utf-8")


def _flink_connector() -> Path:
    """Return Flink's Kafka connector for SQL, from the local Maven repository or downloaded."""
    _, name, version = FLINK_CONNECTOR
    jar = home() / f"{name}-{version}.jar"
    if not jar.exists():
        artifact = f"-Dartifact={':'.join(FLINK_CONNECTOR)}"
        _run("mvn", "-q", "-B", "dependency:copy", artifact, f"-DoutputDirectory={home()}")
    return jar


def _run(*argv: str) -> None:
    subprocess.run(argv, check=True, capture_output=True, text=True)
