"""The recorded runs of examples/, against two engines that nobody here wrote: DuckDB and pandas.

DuckDB's and pandas' ranges are given in milliseconds, where (t - 1 h, t] is [t - 1 h + 1 ms, t].
"""

import random
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from tests.unit.features.support import MINUTE, T0, finished, run, started

from gnomon.events import TaskEvent, TaskFeatures, TaskFinished, TaskStarted

CSV = Path(__file__).parents[3] / "examples" / "agent_runs.csv"
STARTS = 2728
FIELDS = {
    "n": "tasks_completed_1h",
    "mean_s": "avg_execution_time_1h",
    "success": "success_rate_1h",
    "median_s": "median_execution_time_1h",
}


def _frame() -> pd.DataFrame:
    frame = pd.read_csv(CSV)
    for column in ("started_at", "finished_at"):
        times = pd.to_datetime(frame[column], utc=True)
        frame[column] = times.dt.as_unit("ms").astype("int64")
    return frame


def _arrivals(frame: pd.DataFrame, *, delay_ms: int, seed: int) -> list[TaskEvent]:
    """Start and finish events by event time, a start first; finishes up to ``delay_ms`` later."""
    rng = random.Random(seed)  # noqa: S311  no secret
    arrivals: list[tuple[int, int, TaskEvent]] = []
    for row in frame.itertuples():
        start = TaskStarted(
            agent_id=row.agent_id,
            task_id=row.run_id,
            task_type=row.task_type,
            started_at_ms=row.started_at,
        )
        finish = TaskFinished(
            agent_id=row.agent_id,
            task_id=row.run_id,
            task_type=row.task_type,
            started_at_ms=row.started_at,
            finished_at_ms=row.finished_at,
            duration_s=row.duration_s,
            succeeded=row.success,
        )
        arrivals.append((row.started_at, 0, start))
        arrivals.append((row.finished_at + rng.randint(0, delay_ms), 1, finish))
    return [event for *_, event in sorted(arrivals, key=lambda arrival: arrival[:2])]


def _table(events: list[TaskEvent]) -> pd.DataFrame:
    """The log as a table; ``pos`` is the order of reading."""
    return pd.DataFrame(
        {
            "pos": range(len(events)),
            "agent": [e.agent_id for e in events],
            "task": [e.task_id for e in events],
            "type": [getattr(e, "task_type", "") for e in events],
            "starts": [isinstance(e, TaskStarted) for e in events],
            "at": [
                e.finished_at_ms if isinstance(e, TaskFinished) else getattr(e, "started_at_ms", 0)
                for e in events
            ],
            "duration": [e.duration_s if isinstance(e, TaskFinished) else None for e in events],
            "ok": [float(e.succeeded) if isinstance(e, TaskFinished) else None for e in events],
        }
    )


def _same(got: list[TaskFeatures], expected: pd.DataFrame) -> None:
    assert [v.task_id for v in got] == list(expected["task"])
    for column, field in FIELDS.items():
        ours = pd.Series([getattr(v.features, field) for v in got], dtype="float64")
        theirs = expected[column].astype("float64").reset_index(drop=True)
        pd.testing.assert_series_equal(ours, theirs, check_names=False, rtol=1e-12, atol=1e-9)


def _duckdb_range(log: pd.DataFrame) -> pd.DataFrame:
    """A window of the engine's own; it needs the log in order of event time."""
    with duckdb.connect() as connection:
        connection.register("log", log)
        return connection.execute(
            """
            SELECT task, n, mean_s, success, median_s FROM (
                SELECT pos, task, starts, count(duration) OVER hour AS n,
                       avg(duration) OVER hour AS mean_s, avg(ok) OVER hour AS success,
                       median(duration) OVER hour AS median_s
                FROM (SELECT *, make_timestamp_ms("at") AS t FROM log)
                WINDOW hour AS (
                    PARTITION BY agent ORDER BY t RANGE
                    BETWEEN INTERVAL 1 HOUR - INTERVAL 1 MILLISECOND PRECEDING AND CURRENT ROW)
            ) WHERE starts ORDER BY pos
            """
        ).df()


def _duckdb_join(log: pd.DataFrame) -> pd.DataFrame:
    """The same with the order of reading as a condition, for any order of arrival."""
    with duckdb.connect() as connection:
        connection.register("log", log)
        return connection.execute(
            """
            SELECT s.task, count(f.duration) AS n, avg(f.duration) AS mean_s,
                   avg(f.ok) AS success, median(f.duration) AS median_s
            FROM log s LEFT JOIN log f
              ON NOT f.starts AND f.agent = s.agent AND f.pos < s.pos
             AND f."at" > s."at" - 3600000 AND f."at" <= s."at"
            WHERE s.starts GROUP BY s.task, s.pos ORDER BY s.pos
            """
        ).df()


def _pandas_rolling(log: pd.DataFrame) -> pd.DataFrame:
    """pandas' rolling hour, open on the left, over the log in order of event time."""
    timed = log.assign(t=pd.to_datetime(log["at"], unit="ms")).set_index("t")
    parts = []
    for _, agent in timed.groupby("agent"):
        hour = agent.rolling("3600s", closed="right", min_periods=1)
        parts.append(
            agent.assign(
                n=hour["duration"].count(),
                mean_s=hour["duration"].mean(),
                success=hour["ok"].mean(),
                median_s=hour["duration"].median(),
            )
        )
    whole = pd.concat(parts)
    return whole[whole["starts"]].sort_values("pos")


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return _frame()


def _in_order(frame: pd.DataFrame) -> list[TaskEvent]:
    return _arrivals(frame, delay_ms=0, seed=0)


def test_in_order_as_duckdbs_range_window(frame: pd.DataFrame) -> None:
    log = _in_order(frame)
    got = run(log)
    assert len(got) == STARTS
    _same(got, _duckdb_range(_table(log)))


def test_in_order_as_pandas_rolling(frame: pd.DataFrame) -> None:
    log = _in_order(frame)
    _same(run(log), _pandas_rolling(_table(log)))


@pytest.mark.parametrize("seed", [1, 2])
def test_out_of_order_as_a_join_in_duckdb(frame: pd.DataFrame, seed: int) -> None:
    """Finishes arrive up to two minutes late, so a start may be read before one it follows."""
    log = _arrivals(frame, delay_ms=120_000, seed=seed)
    got = run(log)
    assert len(got) == STARTS
    assert got != run(_in_order(frame))
    _same(got, _duckdb_join(_table(log)))


def test_on_a_grid_of_edges_as_a_join_in_duckdb() -> None:
    """Starts exactly an hour after finishes, and one millisecond to either side."""
    rng = random.Random(5)  # noqa: S311  no secret
    log: list[TaskEvent] = []
    for step in range(200):
        at = T0 + step * 10 * MINUTE + rng.choice([-1, 0, 1])
        log.append(finished(f"f{step}", at, duration_s=rng.uniform(0, 1000)))
        log.append(started(f"s{step}", at + rng.choice([-1, 0, 1])))
    _same(run(log), _duckdb_join(_table(log)))


def test_the_last_runs_of_each_type_as_pandas_counts_them(frame: pd.DataFrame) -> None:
    table = _table(_in_order(frame))
    ends = table[~table["starts"]].reset_index(drop=True)
    got = {v.task_id: v.features for v in run(_in_order(frame))}

    for row in table[table["starts"]].iloc[::25].itertuples():
        past = ends[(ends["pos"] < row.pos) & (ends["agent"] == row.agent)]
        features = got[row.task]
        _same_runs(
            past,
            n=features.agent_runs,
            mean_s=features.agent_avg_execution_time,
            success=features.agent_success_rate,
        )
        _same_runs(
            past[past["type"] == row.type],
            n=features.same_type_runs,
            mean_s=features.same_type_avg_execution_time,
            success=features.same_type_success_rate,
        )


def _same_runs(past: pd.DataFrame, *, n: int, mean_s: float | None, success: float | None) -> None:
    past = past.tail(20)
    assert n == len(past)
    assert mean_s == (pytest.approx(past["duration"].mean()) if n else None)
    assert success == (pytest.approx(past["ok"].mean()) if n else None)
