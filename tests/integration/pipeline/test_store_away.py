"""A store that takes nothing holds up the vault and nothing else; when it does again, the vault catches up."""

import asyncio
import sqlite3
from contextlib import closing

import pytest
from tests.support.pipeline import STAGES, Pipeline
from tests.support.polling import eventually_sync

from gnomon import Client
from gnomon.operations.lag import overview

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(120)]
TASKS = {f"away {number}" for number in range(40)}


def rows(pipeline: Pipeline, table: str) -> int:
    with closing(sqlite3.connect(pipeline.folder / "store.db")) as store:
        return int(store.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608


def lags(pipeline: Pipeline) -> dict[str, int]:
    stages = asyncio.run(overview(kafka=pipeline.admin, prefix=pipeline.prefix))
    return {stage.name: stage.lag for stage in stages}


def test_the_vault_alone_waits_and_then_catches_up(pipeline: Pipeline) -> None:
    eventually_sync(lambda: lags(pipeline)["vault"] == 0, what="the vault has stored all before")
    before = rows(pipeline, "gnomon_decisions"), rows(pipeline, "gnomon_tasks")
    with closing(sqlite3.connect(pipeline.folder / "store.db", isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        with Client(pipeline.brokers, topic_prefix=pipeline.prefix, agent_id="away") as client:
            for task in TASKS:
                with client.task("review", task_id=task):
                    pass
            assert client.flush(20.0) == 0
        eventually_sync(
            lambda: set(pipeline.decided()) >= TASKS, timeout_s=40, what="all were compared"
        )
        waiting = lags(pipeline)
        assert waiting["vault"] >= len(TASKS)
        assert pipeline.get("comparison", "/readyz").status == 200
        assert (rows(pipeline, "gnomon_decisions"), rows(pipeline, "gnomon_tasks")) == before
        holder.execute("ROLLBACK")

    eventually_sync(lambda: lags(pipeline)["vault"] == 0, timeout_s=60, what="the vault caught up")
    after = rows(pipeline, "gnomon_decisions"), rows(pipeline, "gnomon_tasks")
    assert after == (before[0] + len(TASKS), before[1] + len(TASKS))
    assert rows(pipeline, "gnomon_ledger") >= 1
    assert all(pipeline.get(stage, "/readyz").status == 200 for stage in STAGES)
