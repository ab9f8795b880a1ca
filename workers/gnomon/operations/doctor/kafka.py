"""Checks of the Kafka cluster: whether it lets in, its topics, its clock, and certificates."""

import asyncio
import logging
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from gnomon.errors import BrokerUnavailableError, NotLetInError
from gnomon.operations.doctor.findings import Finding, note, ok, problem
from gnomon.operations.doctor.machine import has_own_broker
from gnomon.settings import Settings
from gnomon.topics import TASK_EVENTS, TOPICS

AHEAD_MS: Final = 5_000
"""By how much the broker's clock may be ahead of this machine's."""
RENEW_WITHIN: Final = timedelta(days=30)


def broker(settings: Settings) -> Iterable[Finding]:
    """Connect with the settings of this installation."""
    from gnomon.operations.topics_admin import describe_topics  # noqa: PLC0415  brings aiokafka

    _quiet()
    try:
        asyncio.run(describe_topics(settings.kafka, prefix=settings.topic_prefix))
    except NotLetInError as error:
        yield problem(str(error), "correct GNOMON_KAFKA_…; docs/security.md has each setting")
    except BrokerUnavailableError:
        start = "gnomon up or gnomon broker starts one; else" if has_own_broker(settings) else ""
        yield problem(
            f"no Kafka broker answers at {settings.brokers}",
            f"{start} say where one is with GNOMON_BROKERS".strip(),
        )
    else:
        user = f" as {settings.kafka_sasl_username}" if settings.kafka_sasl_username else ""
        yield ok(f"Kafka answers at {settings.brokers}{user}")


def topics(settings: Settings) -> Iterable[Finding]:
    """Compare the topics with the contract; says nothing where no broker answers."""
    from gnomon.operations.topics_admin import check_topics, shape_of  # noqa: PLC0415

    _quiet()
    shape = shape_of(settings)
    try:
        found = asyncio.run(check_topics(settings.kafka, prefix=settings.topic_prefix, **shape))
    except BrokerUnavailableError:
        return
    missing = [each.topic for each in found if each.what == "topic"]
    if missing:
        yield problem(
            f"{len(missing)} of {len(TOPICS)} topics are missing: {', '.join(missing[:3])}"
            f"{' …' if len(missing) > 3 else ''}",  # noqa: PLR2004  as many as are named
            "gnomon topics create",
        )
    for each in found:
        if each.what != "topic":
            told = f"{each.topic}: {each.what} is {each.found}, expected {each.expected}"
            yield (problem if each.what == "partitions" else note)(told, each.remedy)
    if not found:
        yield ok(f"{len(TOPICS)} topics are as in the contract")


def clock(settings: Settings) -> Iterable[Finding]:
    """Compare this machine's clock with the broker's, which stamps each event that it stores."""
    _quiet()
    try:
        newest_ms = asyncio.run(_newest_append_ms(settings))
    except BrokerUnavailableError:
        return
    yield judged_clock(time.time_ns() // 1_000_000, newest_ms)


def judged_clock(now_ms: int, newest_ms: int | None) -> Finding:
    """Judge this machine's time by when the broker stored the newest event, epoch milliseconds."""
    if newest_ms is None:
        return ok("there is no event yet to compare clocks by")
    ahead_ms = newest_ms - now_ms
    if ahead_ms > AHEAD_MS:
        return problem(
            f"the broker's clock is {ahead_ms / 1000:.0f} s or more ahead of this machine's",
            "let both take the time from NTP: events with a wrong time are refused",
        )
    return ok("this machine's clock is not behind the broker's")


def certificates(settings: Settings) -> Iterable[Finding]:
    """Look when the certificates end that this installation uses."""
    from gnomon.broker.certificates import ends_at  # noqa: PLC0415  brings cryptography

    own = Path(settings.data_dir) / "secure-broker" / "security"
    named = (settings.kafka_ssl_cafile, settings.kafka_ssl_certfile)
    files = {Path(each) for each in named if each} | {
        path for name in ("ca.pem", "node.pem") if (path := own / name).exists()
    }
    now = datetime.now(UTC)  # noqa: TID251  of certificates
    for path in sorted(files):
        try:
            ends = ends_at(path.read_bytes())
        except (OSError, ValueError) as error:
            yield problem(
                f"{path} cannot be read as a certificate: {error}", "name another file, in PEM"
            )
        else:
            yield judged_end(path, ends, now=now)


def judged_end(path: Path, ends: datetime, *, now: datetime) -> Finding:
    """Judge a certificate by when it ends."""
    renew = "renew it; gnomon broker --secure and gnomon up --secure renew their own at a start"
    if ends <= now:
        return problem(f"{path} ended on {ends:%Y-%m-%d}", renew)
    if ends - now < RENEW_WITHIN:
        return note(f"{path} ends in {(ends - now).days} days, on {ends:%Y-%m-%d}", renew)
    return ok(f"{path} is valid until {ends:%Y-%m-%d}")


async def _newest_append_ms(settings: Settings) -> int | None:
    from gnomon.runtime.kafka.reading import partitions_of, read_topic  # noqa: PLC0415

    topic = settings.topic_prefix + TASK_EVENTS.name
    if not (await partitions_of(settings.kafka, [topic], within_s=0.0)).get(topic):
        return None
    records = read_topic(kafka=settings.kafka, topic=topic, follow=False, last=1)
    return max(_stamps([record.timestamp async for record in records]), default=None)


def _stamps(found: Iterable[int | None]) -> Iterator[int]:
    return (each for each in found if each is not None)


def _quiet() -> None:
    """If the broker does not answer, the finding is enough."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
