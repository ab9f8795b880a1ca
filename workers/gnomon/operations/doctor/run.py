"""Runs all checks, each with a time limit."""

import threading
from collections.abc import Mapping
from dataclasses import replace

from gnomon.errors import GnomonError
from gnomon.operations.doctor.findings import Check, Finding, problem
from gnomon.settings import Settings

TIMEOUT_S = 20.0


def examine(
    settings: Settings, checks: Mapping[str, Check], *, timeout_s: float = TIMEOUT_S
) -> list[Finding]:
    """Return what the checks find, in their order.

    One follows the other: two threads that import the same packages for the first time can block each
    other.

    Args:
        settings: Of the installation.
        checks: By name.
        timeout_s: Longest time for a check. One that takes longer is a problem of its own.
    """
    return [
        replace(finding, check=name)
        for name, check in checks.items()
        for finding in _found_within(timeout_s, check, settings)
    ]


def _found_within(timeout_s: float, check: Check, settings: Settings) -> list[Finding]:
    found: list[Finding] = []
    # A thread that hangs does not keep the process alive, which that of an executor would.
    thread = threading.Thread(target=lambda: found.extend(_looked(check, settings)), daemon=True)
    thread.start()
    thread.join(timeout_s)
    if not thread.is_alive():
        return found
    return [problem(f"no answer within {timeout_s:g} s", "look at what it asks; then run it again")]


def _looked(check: Check, settings: Settings) -> list[Finding]:
    try:
        return list(check(settings))
    except GnomonError as error:
        return [problem(_first_line(error), "do what the message says")]
    except ModuleNotFoundError as error:
        return [problem(f"{error.name} is not installed", "pip install 'gnomon[all]'")]
    except Exception as error:
        return [
            problem(
                f"the check itself failed: {type(error).__name__}: {_first_line(error)}",
                "report it, with this line",
            )
        ]


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
