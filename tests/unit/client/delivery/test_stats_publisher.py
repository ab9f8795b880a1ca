"""Stats of a client: published once a minute after the first event, and at the end."""

from tests.support.client.producers import MemoryProducer

from gnomon import codec
from gnomon.client.delivery.buffer import Buffer
from gnomon.client.delivery.identity import Identity
from gnomon.client.delivery.stats_publisher import StatsPublisher
from gnomon.client.records import Record
from gnomon.events import ClientStats


def test_stats_are_published_once_a_minute_after_the_first_event() -> None:
    now_s = [100.0]
    identity, producer = Identity(), MemoryProducer()
    buffer = Buffer(max_events=10, max_bytes=1_000)
    publisher = StatsPublisher(
        buffer, identity, "p-client-stats", clock_s=lambda: now_s[0], clock_ns=lambda: 7_000_000
    )
    published_at_s = []
    for now_s[0] in (100.0, 161.0, 162.0, 221.9, 222.0, 300.0):
        if now_s[0] == 162.0:
            buffer.offer(Record(b"a", b"{}"))
            identity.put_on(buffer.take(max_events=1, max_bytes=100))
        before = len(producer.untracked_records)
        publisher.publish_if_due(producer)
        published_at_s += [now_s[0]] * (len(producer.untracked_records) - before)

    assert published_at_s == [162.0, 222.0, 300.0]
    topic, record = producer.untracked_records[0]
    assert (topic, record.key.decode()) == ("p-client-stats", identity.producer_id)
    assert codec.decode_client_event(record.value) == ClientStats(
        producer_id=identity.producer_id,
        at_ms=7,
        sent=1,
        accepted=1,
        delivered=0,
        failed=0,
        spooled=0,
        replayed=0,
        waiting=1,
        dropped_full=0,
        dropped_oversize=0,
        dropped_invalid=0,
        dropped_closed=0,
        shed_starts=0,
        ended=False,
    )


def test_final_stats_are_published_at_once_if_an_event_was_sent() -> None:
    identity, producer = Identity(), MemoryProducer()
    publisher = StatsPublisher(Buffer(max_events=1, max_bytes=100), identity, "s")
    publisher.publish_final(producer)
    assert producer.untracked_records == []

    identity.put_on([Record(b"a", b"{}")])
    publisher.publish_final(producer)
    (stats,) = [codec.decode_client_event(record.value) for _, record in producer.untracked_records]
    assert isinstance(stats, ClientStats)
    assert stats.ended
