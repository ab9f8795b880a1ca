"""Shows the report of a drill as text."""

from collections.abc import Mapping

from rich.box import SIMPLE
from rich.table import Table

from gnomon.drill.report import QUANTILES, Phase, Report

PHASES: Mapping[Phase, str] = {"up": "broker up", "killed": "after the kill"}


def table(report: Report) -> Table:
    """Return a table of the latencies without and with the client, in milliseconds."""
    found = Table(title="latency of the service without and with the client, ms", box=SIMPLE)
    for name in ("", "", "without", "with", "ratio", "limit", ""):
        found.add_column(name, justify="right" if name else "left")
    for phase, words in PHASES.items():
        for quantile in QUANTILES:
            one = report.compared[phase][quantile]
            found.add_row(
                *(words, quantile, f"{one.without_ms:.1f}", f"{one.with_ms:.1f}"),
                *(f"{one.ratio:.2f}", f"{one.limit:.2f}", "noise" if one.within_noise else "MORE"),
            )
        ends = report.longest_ms[phase]
        found.add_row(words, "longest", f"{ends['without']:.0f}", f"{ends['with']:.0f}")
    return found


def lines(report: Report) -> list[str]:
    """Return the other measurements and the verdict as lines of text."""
    shown = [
        f"{report.requests} requests, {report.rate_per_s:g}/s to each service, {report.rounds}"
        f" rounds of {report.round_s:g} s in each phase",
        f"errors: {report.request_errors} of requests, {report.service_errors} in the services",
    ]
    for phase, words in (("up", "broker up"), ("end", "at the end")):
        counts = report.events[phase]
        waiting = counts["buffered"] + counts["in_flight"]
        shown.append(
            f"events, {words}: {counts['accepted']} accepted, {counts['delivered']} delivered,"
            f" {waiting} waiting, {counts['dropped']} dropped"
        )
    cpu = report.cpu_s
    shown.append(f"processor time: {cpu['without']:.1f} s without, {cpu['with']:.1f} s with client")
    ended = "had to be killed" if report.exit_s is None else f"ended within {report.exit_s:.1f} s"
    shown.append(f"the service with the client {ended}, with no broker there")
    shown.append(f"rule: {report.rule}")
    shown.append(f"verdict: {'PASS' if report.passed else 'FAIL'}")
    return shown
