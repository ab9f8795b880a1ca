"""Calls that fail for a passing reason."""

import pytest

from gnomon.errors import ConfigurationError, RegistryUnavailableError
from gnomon.operations.models.patience import WAITS_S, patiently


def test_a_call_is_repeated_until_it_succeeds() -> None:
    slept: list[float] = []

    def call() -> str:
        if len(slept) < 2:
            raise RegistryUnavailableError("away")
        return "there"

    assert patiently(call, waits_s=[1.0, 2.0, 4.0], sleep=slept.append) == "there"
    assert slept == [1.0, 2.0]


def test_after_a_minute_the_error_is_raised() -> None:
    slept: list[float] = []

    def call() -> None:
        raise RegistryUnavailableError("away")

    with pytest.raises(RegistryUnavailableError):
        patiently(call, sleep=slept.append)
    assert sum(slept) == sum(WAITS_S) == 60.0


def test_a_mistake_is_not_repeated() -> None:
    def call() -> None:
        raise ConfigurationError("wrong")

    def sleep(_: float) -> None:
        raise AssertionError("waited")

    with pytest.raises(ConfigurationError):
        patiently(call, sleep=sleep)
