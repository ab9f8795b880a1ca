"""What commands share: lines beside their output, and arguments that are seconds."""

import argparse
import sys
from collections.abc import Callable


def say(line: str) -> None:
    """Write a line to standard error at once: standard output is for what was asked."""
    print(line, file=sys.stderr, flush=True)


def at_least_seconds(least: float) -> Callable[[str], float]:
    """Return what parses a number of seconds, of at least ``least``."""

    def parsed(text: str) -> float:
        value = float(text)
        if not value >= least:
            raise argparse.ArgumentTypeError(f"expected at least {least:.0f}, got {text!r}")
        return value

    parsed.__name__ = "number of seconds"  # argparse names it when it refuses a word
    return parsed
