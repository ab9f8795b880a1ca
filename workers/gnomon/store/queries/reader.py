"""Answers the questions of dashboards from the tables of numbers; the database adds up."""

from typing import Any, Final, TypeVar

import msgspec
from sqlalchemy import text

from gnomon.store.database import Database
from gnomon.store.meta import is_installed, require_installed
from gnomon.store.queries import statements
from gnomon.store.queries.over_time import ledgers_at, metrics_at
from gnomon.store.queries.results import (
    Calibration,
    ChecklistLine,
    Improvement,
    KeysOf,
    LedgerAt,
    MetricsAt,
    Model,
    Predicted,
    Residuals,
    SeenAt,
    Stored,
    StoredBy,
    Tasks,
    VerdictAt,
)

HOUR_MS: Final = 3_600_000
_EVER_MS: Final = 2**63 - 1

Result = TypeVar("Result", bound=msgspec.Struct)


class FigureQueries:
    """Reads the numbers of one store. It needs no key, and never writes. Every method blocks.

    A period is ``since_ms <= end of the task < until_ms``, epoch milliseconds; by default everything. A
    period of a day costs milliseconds; see ``docs/store.md`` for what all of 1,000,000 decisions cost.

    Args:
        url: ``sqlite:///path`` or ``postgresql://user:password@host/name``.

    Raises:
        ConfigurationError: The URL is malformed or of another kind of database.
        StoreUnavailableError: From every method: the database does not answer.
    """

    def __init__(self, url: str) -> None:
        self._database = Database(url)
        self.name = self._database.name

    def exists(self) -> bool:
        """Return whether there is a store."""
        return is_installed(self._database)

    def check(self) -> None:
        """Check that the store has the tables of this release.

        Raises:
            ConfigurationError: It has not; the message says what to do.
        """
        require_installed(self._database)

    def close(self) -> None:
        """Close every connection of this process."""
        self._database.close()

    def stored(self) -> Stored:
        """Return how many decisions there are, and when the last of them ended."""
        return self._read(Stored, statements.STORED)[0]

    def last_ms(self, *, agent: str | None = None) -> int | None:
        """Return when the last task ended, of all agents or of one; ``None`` if there is none."""
        statement = statements.LAST if agent is None else statements.LAST_OF_AGENT
        found: int | None = self._rows(statement, agent=agent)[0]["last_ms"]
        return found

    def by_status(self) -> list[StoredBy]:
        """Return how many decisions are stored, by scope and how they ended."""
        return self._read(StoredBy, statements.BY_STATUS)

    def keys(self) -> list[KeysOf]:
        """Return how many keys there are and how old they are, by scope and state."""
        return self._read(KeysOf, statements.KEYS)

    def seen_over_time(
        self, *, since_ms: int = 0, until_ms: int = _EVER_MS, bucket_ms: int = HOUR_MS
    ) -> list[SeenAt]:
        """Return how complete features were, by buckets of ``bucket_ms``."""
        period = {"since_ms": since_ms, "until_ms": until_ms, "bucket_ms": bucket_ms}
        return self._read(SeenAt, statements.SEEN_OVER_TIME, **period)

    def tasks_over_time(
        self,
        *,
        since_ms: int = 0,
        until_ms: int = _EVER_MS,
        bucket_ms: int = HOUR_MS,
        agent: str | None = None,
    ) -> list[Tasks]:
        """Return the tasks by buckets of ``bucket_ms``, of all agents or one; empty buckets are left out."""
        statement = statements.TASKS_OVER_TIME if agent is None else statements.AGENT_OVER_TIME
        period = {"since_ms": since_ms, "until_ms": until_ms, "bucket_ms": bucket_ms}
        return self._read(Tasks, statement, **period, agent=agent)

    def agents(
        self, *, since_ms: int = 0, until_ms: int = _EVER_MS, most: int = 100
    ) -> list[Tasks]:
        """Return the ``most`` agents with the most tasks."""
        return self._read(Tasks, statements.AGENTS, since_ms=since_ms, until_ms=until_ms, most=most)

    def task_types(
        self, *, since_ms: int = 0, until_ms: int = _EVER_MS, most: int = 100
    ) -> list[Tasks]:
        """Return the ``most`` task types with the most tasks."""
        return self._read(
            Tasks, statements.TASK_TYPES, since_ms=since_ms, until_ms=until_ms, most=most
        )

    def models(
        self, *, since_ms: int = 0, until_ms: int = _EVER_MS, agent: str | None = None
    ) -> list[Model]:
        """Return the errors of each model version, on the tasks of all agents or of one."""
        statement = statements.MODELS if agent is None else statements.MODELS_OF_AGENT
        return self._read(Model, statement, since_ms=since_ms, until_ms=until_ms, agent=agent)

    def models_over_time(
        self, *, since_ms: int = 0, until_ms: int = _EVER_MS, bucket_ms: int = HOUR_MS
    ) -> list[Model]:
        """Return the errors of each model version by buckets of ``bucket_ms``."""
        period = {"since_ms": since_ms, "until_ms": until_ms, "bucket_ms": bucket_ms}
        return self._read(Model, statements.MODELS_OVER_TIME, **period)

    def predicted(
        self,
        *,
        since_ms: int = 0,
        until_ms: int = _EVER_MS,
        agent: str | None = None,
        most: int = 100,
    ) -> list[Predicted]:
        """Return predictions beside what came, newest first: ``most`` of them, or of ``most`` tasks of an agent."""
        statement = statements.PREDICTED if agent is None else statements.PREDICTED_OF_AGENT
        period = {"since_ms": since_ms, "until_ms": until_ms}
        return self._read(Predicted, statement, **period, agent=agent, most=most)

    def calibration(
        self, model: str, version: str, *, since_ms: int = 0, until_ms: int = _EVER_MS
    ) -> list[Calibration]:
        """Return how many tasks succeeded, by tenths of the predicted probability."""
        period = {"since_ms": since_ms, "until_ms": until_ms}
        return self._read(
            Calibration, statements.CALIBRATION, **period, model=model, version=version
        )

    def residuals(
        self, model: str, version: str, *, since_ms: int = 0, until_ms: int = _EVER_MS
    ) -> list[Residuals]:
        """Return by what factor durations were over- or underestimated, as a histogram."""
        period = {"since_ms": since_ms, "until_ms": until_ms}
        return self._read(Residuals, statements.RESIDUALS, **period, model=model, version=version)

    def metrics_over_time(self, *, since_ms: int = 0, until_ms: int = _EVER_MS) -> list[MetricsAt]:
        """Return the errors of each version since its first task, as they stood after each hour."""
        rows = self._rows(statements.METRICS, until_hour=_hour_after(until_ms))
        return metrics_at(rows, since_hour=since_ms // HOUR_MS)

    def ledger_over_time(self, *, since_ms: int = 0, until_ms: int = _EVER_MS) -> list[LedgerAt]:
        """Return the ledger of all partitions, as it stood after each hour."""
        rows = self._rows(statements.LEDGER, until_hour=_hour_after(until_ms))
        return ledgers_at(rows, since_hour=since_ms // HOUR_MS)

    def verdicts_over_time(self, *, since_ms: int = 0, until_ms: int = _EVER_MS) -> list[VerdictAt]:
        """Return the last verdict of each hour on each version."""
        hours = {"since_hour": since_ms // HOUR_MS, "until_hour": _hour_after(until_ms)}
        return self._read(VerdictAt, statements.VERDICTS, **hours)

    def last_verdicts(self) -> list[VerdictAt]:
        """Return the last verdict on each version of each experiment, the newest first."""
        return self._read(VerdictAt, statements.LAST_VERDICTS)

    def improvements_over_time(
        self, model: str, version: str, *, since_ms: int = 0, until_ms: int = _EVER_MS
    ) -> list[Improvement]:
        """Return the improvement over each baseline by each loss, with its bounds, by hour."""
        hours = {"since_hour": since_ms // HOUR_MS, "until_hour": _hour_after(until_ms)}
        return self._read(
            Improvement, statements.IMPROVEMENTS, **hours, model=model, version=version
        )

    def checklist(self, verdict: VerdictAt) -> list[ChecklistLine]:
        """Return the checklist of one verdict."""
        return self._read(
            ChecklistLine,
            statements.CHECKLIST,
            settings_sha256=verdict.settings_sha256,
            model=verdict.model,
            version=verdict.version,
            hour=verdict.hour,
        )

    def _read(self, kind: type[Result], statement: str, **values: object) -> list[Result]:
        rows = self._rows(statement, **values)
        return [msgspec.convert(row, kind, strict=False) for row in rows]

    def _rows(self, statement: str, **values: object) -> list[dict[str, Any]]:
        with self._database.begin() as connection:
            return [dict(row) for row in connection.execute(text(statement), values).mappings()]


def _hour_after(until_ms: int) -> int:
    """Return the first hour that does not begin before ``until_ms``."""
    return -(-until_ms // HOUR_MS)
