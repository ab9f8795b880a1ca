"""Derives the settings of one replay from those of the process, so that its decisions stay apart."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from gnomon.contract.access import REPLAYS
from gnomon.replay.source import Run
from gnomon.settings import Settings

_OWN: Final = (
    *("STATE_URL", "STORE_URL", "MLFLOW_URI", "KEY_FILE", "INSTANCE_ID"),
    *("TOPIC_PARTITIONS", "TOPIC_REPLICATION", "TOPIC_RETENTION"),
)
"""Settings of an installation that a replay has of its own: its folder and its topics."""
MARGIN_S: Final = 3600.0


def isolated(
    settings: Settings, runs: Sequence[Run], *, name: str, brokers: str | None
) -> Settings:
    """Return the settings of a replay: those of the process, except where its data are.

    A task expires after the longest of ``runs``, because the file knows how it ended, unless
    ``GNOMON_EXPIRE_AFTER_S`` says another time than the default.

    Args:
        settings: Settings of the process.
        runs: What is replayed.
        name: Name of the replay, part of its folder and of its topics.
        brokers: Brokers to use, with the security of ``settings``; ``None`` if the replay starts its own.
    """
    passed_on = settings.as_environ()
    for own in _OWN:
        passed_on.pop(f"GNOMON_{own}", None)
    if brokers is None:
        # The broker that a replay starts for itself is on this machine and asks for no login.
        passed_on = {k: v for k, v in passed_on.items() if not k.startswith("GNOMON_KAFKA_")}
    return Settings.from_env(
        {
            **passed_on,
            "GNOMON_DATA_DIR": str(Path(settings.data_dir) / "replays" / name),
            "GNOMON_TOPIC_PREFIX": f"{settings.topic_prefix}{REPLAYS}{name}-",
            "GNOMON_BROKERS": brokers or settings.brokers,
            "GNOMON_EXPIRE_AFTER_S": str(_expire_after_s(settings, runs)),
            "GNOMON_MODEL_POLL_S": "0.25",
            "GNOMON_SESSION_TIMEOUT_S": "6",
            "GNOMON_SHED_LAG_RECORDS": "0",  # a replay has lag by design
            "GNOMON_MODEL_BUDGET_MS": "0",  # its results must not depend on the machine's load
        }
    )


def _expire_after_s(settings: Settings, runs: Sequence[Run]) -> float:
    default_s = Settings().expire_after_s
    if settings.expire_after_s != default_s:
        return settings.expire_after_s
    longest_s = max(
        (
            (run.finished.finished_at_ms - run.started.started_at_ms) / 1000
            for run in runs
            if run.finished is not None
        ),
        default=0.0,
    )
    return max(default_s, longest_s + MARGIN_S)
