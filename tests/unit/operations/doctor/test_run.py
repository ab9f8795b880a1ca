"""Tests of running checks: one that hangs or breaks hides nothing of what the others find."""

import threading
from collections.abc import Iterable

from gnomon.errors import ConfigurationError
from gnomon.operations.doctor import Finding, examine
from gnomon.operations.doctor.catalog import CHECKS
from gnomon.operations.doctor.findings import ok
from gnomon.settings import Settings


def fine(_settings: Settings) -> Iterable[Finding]:
    yield ok("fine")


def test_findings_come_in_the_order_of_the_checks_with_their_names() -> None:
    def two(_settings: Settings) -> Iterable[Finding]:
        yield ok("one")
        yield ok("two")

    found = examine(Settings(), {"a": two, "b": fine})

    assert [(each.check, each.found) for each in found] == [
        ("a", "one"),
        ("a", "two"),
        ("b", "fine"),
    ]


def test_a_check_that_hangs_is_a_problem_of_its_own() -> None:
    forever = threading.Event()

    def hangs(_settings: Settings) -> Iterable[Finding]:
        forever.wait()
        return ()

    found = examine(Settings(), {"stuck": hangs, "other": fine}, timeout_s=0.2)

    forever.set()
    assert [(each.check, each.level) for each in found] == [("stuck", "problem"), ("other", "ok")]
    assert "no answer within 0.2 s" in found[0].found


def test_errors_become_problems_of_one_line() -> None:
    def refuses(_settings: Settings) -> Iterable[Finding]:
        raise ConfigurationError("do this\nand that")

    def misses(_settings: Settings) -> Iterable[Finding]:
        raise ModuleNotFoundError(name="sundial")

    def breaks(_settings: Settings) -> Iterable[Finding]:
        yield ok("so far")
        raise ZeroDivisionError

    checks = {"a": refuses, "b": misses, "c": breaks, "d": fine}
    found = {each.check: each for each in examine(Settings(), checks)}

    assert found["a"].found == "do this"
    assert "sundial" in found["b"].found
    assert found["b"].remedy == "pip install 'gnomon[all]'"
    assert "ZeroDivisionError" in found["c"].found
    assert found["d"].level == "ok"


def test_the_checks_are_those_that_the_command_promises() -> None:
    assert list(CHECKS) == [
        "settings", "versions", "compiled", "java", "disk", "broker", "topics", "clock",
        "certificates", "key", "store", "registry",
    ]  # fmt: skip
