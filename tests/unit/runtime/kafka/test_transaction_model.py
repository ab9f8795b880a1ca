"""The model of docs/transactions.md: with all rules nothing goes wrong, without any one something does."""

import pytest
from tests.support.kafka.transaction_model import Bounds, Rules, explore

RECORDS = Rules._fields[:6]
"""Rules without which a record is lost or doubled; without the others readers or workers are harmed."""


@pytest.mark.parametrize("bounds", [Bounds(), Bounds(partitions=2, records=1, generations=2)])
def test_the_protocol_loses_doubles_and_harms_nothing(bounds: Bounds) -> None:
    states, steps = explore(Rules(), bounds)

    assert steps is None
    assert states > 10_000  # the bounds leave something to search


@pytest.mark.parametrize("rule", Rules._fields)
def test_every_rule_is_needed(rule: str) -> None:
    _, steps = explore(Rules()._replace(**{rule: False}), Bounds(), records_only=rule in RECORDS)

    assert steps is not None
    if rule in RECORDS:
        assert steps[-1].endswith("is readable")
