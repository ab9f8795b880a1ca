"""A drill's report for a person."""

from collections.abc import Mapping

from rich.box import SIMPLE
from rich.table import Table

from gnomon.drill.figures import QUANTILES, Compared, Phase, Report

PHASES: Mapping[Phase, str] = {"up": "broker up", "killed": "after the kill"}


def table(report: Report) -> Table:
    """Latency of the service side by side."""
    title = "latency of the service, ms: middle of the rounds (lowest to highest)"
    found = Table(title=title, box=SIMPLE)
    for name in ("", "", "without client", "with client", "limit", ""):
        found.add_column(name, justify="right" if name else "left")
    for phase, words in PHASES.items():
        for quantile in QUANTILES:
            one = report.compared[phase][quantile]
            found.add_row(words, quantile, *_cells(one))
    return found


def _cells(one: Compared) -> tuple[str, str, str, str]:
    def cell(middle: float, ends: tuple[float, float]) -> str:
        return f"{middle:.1f} ({ends[0]:.1f} to {ends[1]:.1f})"

    return (
        cell(one.without_ms, one.without_range_ms),
        cell(one.with_ms, one.with_range_ms),
        f"{one.limit_ms:.1f}",
        "noise" if one.within_noise else "MORE",
    )


def lines(report: Report) -> list[str]:
    """What the table does not say, and the verdict."""
    said = [
        f"{report.requests} requests, {report.rate_per_s:g}/s, {report.rounds} rounds of"
        f" {report.round_s:g} s for each service in each phase",
        f"errors: {report.request_errors} of requests, {report.service_errors} in the service",
    ]
    for phase, words in (("up", "broker up"), ("end", "at the end")):
        figures = report.events[phase]
        waiting = figures["buffered"] + figures["in_flight"]
        said.append(
            f"events, {words}: {figures['accepted']} accepted, {figures['delivered']} delivered,"
            f" {waiting} waiting, {figures['dropped']} dropped"
        )
    ended = "had to be killed" if report.exit_s is None else f"ended within {report.exit_s:.1f} s"
    said.append(f"the service with the client {ended}, with no broker there")
    said.append(f"rule: {report.rule}")
    said.append(f"verdict: {'PASS' if report.passed else 'FAIL'}")
    return said
