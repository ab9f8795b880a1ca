"""Tests of keeping a broker: it is started again, and a start that fails is tried again and told."""

from tests.support.polling import eventually

from gnomon.errors import ConfigurationError
from gnomon.operations.kept_broker import KeptBroker


class Broker:
    """A broker that refuses its next starts."""

    def __init__(self) -> None:
        self.pid: int | None = 1
        self.refusals = 0

    def start(self) -> str:
        if self.refusals:
            self.refusals -= 1
            raise ConfigurationError("port 9092 is in use\nsecond line")
        self.pid = (self.pid or 1) + 1
        return "127.0.0.1:9092"


async def test_a_broker_that_ended_is_started_again() -> None:
    broker = Broker()
    kept = KeptBroker(broker)
    broker.pid = None

    await eventually(lambda: kept.restarts == 1, what="one restart")
    await kept.close()
    assert broker.pid is not None
    assert kept.trouble == ""


async def test_why_it_cannot_start_is_told_until_it_can() -> None:
    broker = Broker()
    kept = KeptBroker(broker)
    broker.refusals, broker.pid = 1, None

    await eventually(lambda: kept.trouble == "port 9092 is in use", what="the reason")
    await eventually(lambda: kept.restarts == 1 and not kept.trouble, what="it runs")
    await kept.close()


async def test_after_the_end_nothing_is_started() -> None:
    broker = Broker()
    kept = KeptBroker(broker)
    await kept.close()
    broker.pid = None

    assert kept.restarts == 0
    assert broker.pid is None
