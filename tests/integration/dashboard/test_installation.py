"""What the pages read, of a real Kafka and a real PostgreSQL."""

import asyncio
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from sqlalchemy import text
from tests.conftest import Kafka
from tests.support.servers.postgres import new_database, postgres
from tests.support.stores.filled import HOSTILE, fill

from gnomon.dashboard.installation import Installation, limited
from gnomon.dashboard.source import Source
from gnomon.errors import ConfigurationError, StoreUnavailableError
from gnomon.settings import Settings


@pytest.mark.kafka
async def test_events_lag_and_dead_letters(kafka: Kafka, topics: str, tmp_path: Path) -> None:
    settings = Settings(brokers=kafka.brokers, topic_prefix=topics, data_dir=str(tmp_path))
    source: Source = Installation(settings)
    assert await asyncio.to_thread(source.events_per_s) is None
    headers = [("gnomon-stage", b"features"), ("gnomon-reason", b"undecodable")]
    headers += [("gnomon-topic", f"{topics}task-events".encode()), ("gnomon-partition", b"1")]
    async with AIOKafkaProducer(bootstrap_servers=kafka.brokers) as producer:
        for _ in range(5):
            await producer.send_and_wait(f"{topics}task-events", b"!", partition=0)
        detail = ("gnomon-detail", HOSTILE.encode())
        await producer.send_and_wait(f"{topics}dead-letters", b"?", headers=[*headers, detail])
    rate = await asyncio.to_thread(source.events_per_s)
    assert rate is not None
    assert rate > 0
    lag = {stage.name: stage.lag for stage in await asyncio.to_thread(source.stages)}
    assert lag["features"] == 5
    assert await asyncio.to_thread(source.clients) == []
    assert (await asyncio.to_thread(source.metrics)).ledger.predictions == 0
    (letter,) = await asyncio.to_thread(source.dead_letters)
    assert letter.headers["detail"] == HOSTILE
    with pytest.raises(ConfigurationError, match="GNOMON_DASHBOARD_ACTIONS"):
        await asyncio.to_thread(source.redrive, frozenset({letter.id}))
    allowed = Installation(replace(settings, dashboard_actions=True))
    assert await asyncio.to_thread(allowed.redrive, frozenset({letter.id, "3:99"})) == 1
    lag = {stage.name: stage.lag for stage in await asyncio.to_thread(source.stages)}
    assert lag["features"] == 6
    with pytest.raises(ConfigurationError, match="GNOMON_DASHBOARD_ACTIONS"):
        source.promote("1", author="ada")
    with pytest.raises(ConfigurationError, match="GNOMON_DASHBOARD_ACTIONS"):
        source.roll_back(author="ada")


@pytest.fixture
def server() -> Iterator[str]:
    with postgres() as url:
        yield new_database(url)


def test_postgresql_lets_the_dashboard_write_nothing_and_ends_slow_statements(server: str) -> None:
    fill(server, now_ms=1_760_000_000_000, decisions=20, hours=30)
    with closing(Installation(Settings(store_url=server))) as source:
        assert source.figures().stored().decisions == 20
        database = source.figures()._database
        with (
            pytest.raises(StoreUnavailableError, match="read-only"),
            database.begin() as connection,
        ):
            connection.execute(text("DELETE FROM gnomon_tasks"))
        with database.begin() as connection:
            assert connection.execute(text("SHOW statement_timeout")).scalar() == "10s"


def test_a_url_keeps_what_it_says() -> None:
    kept = limited("postgresql://u:p%40ss@h:1/d?options=-c%20search_path%3Dx&sslmode=require")
    assert "p%40ss" in kept
    assert "sslmode=require" in kept
    assert "search_path" in kept
    assert "statement_timeout" in kept
    assert limited("sqlite:///x.db") == "sqlite:///x.db"
    assert limited("nonsense") == "nonsense"


def test_without_a_store_nothing_is_made(tmp_path: Path) -> None:
    source = Installation(Settings(data_dir=str(tmp_path / "none")))
    with pytest.raises(ConfigurationError, match="run gnomon worker vault"):
        source.figures()
    assert not (tmp_path / "none").exists()
    assert source.versions() == []
    assert source.importance("1") == {}
    assert source.drills() == []
    assert source.impact().impact is None
