"""The kinds of panels that the dashboards use. A quantity looks the same wherever it is shown."""

from collections.abc import Sequence
from itertools import count
from typing import Final, NamedTuple

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    LegendDisplayMode,
    LegendPlacement,
    TooltipDisplayMode,
)
from grafana_foundation_sdk.models.dashboard import (
    DashboardLinkType,
    DataSourceRef,
    Threshold,
    ThresholdsMode,
    VariableRefresh,
)

SOURCE: Final = DataSourceRef(type_val="prometheus", uid="gnomon-prometheus")
"""A fixed uid: a variable such as ``${DS_PROMETHEUS}`` is not replaced when dashboards are provisioned."""
HEIGHT: Final = 8
P50: Final = 0.5
P99: Final = 0.99
Panel = timeseries.Panel | stat.Panel


class Query(NamedTuple):
    """PromQL, and how its series are named. ``exemplar``: whether traces are shown beside it."""

    expr: str
    legend: str = "__auto"
    exemplar: bool = False


class Row(NamedTuple):
    """A title and the panels below it."""

    title: str
    panels: Sequence[Panel]


def graph(title: str, about: str, *queries: Query, unit: str = "short") -> timeseries.Panel:
    """Return a panel of values over time, a third of the screen wide.

    Args:
        title: What is shown.
        about: Definition, and what to do about unusual values.
        queries: What to draw.
        unit: Grafana's name of the unit.
    """
    legend = (
        common.VizLegendOptions()
        .display_mode(LegendDisplayMode.LIST)
        .placement(LegendPlacement.BOTTOM)
        .show_legend(True)  # noqa: FBT003  the builder's own
    )
    panel = (
        timeseries.Panel()
        .title(title)
        .description(about)
        .datasource(SOURCE)
        .unit(unit)
        .min(0)
        .span(8)
        .height(HEIGHT)
        .fill_opacity(8)
        .legend(legend)
        .tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI))
    )
    for number, query in enumerate(queries):
        panel.with_target(_target(query, number, instant=False))
    return panel


def number(
    title: str,
    about: str,
    expr: str,
    *,
    unit: str = "short",
    bad: float | None = None,
    good: float | None = None,
) -> stat.Panel:
    """Return a panel with one number.

    Args:
        title: What is shown.
        about: Definition, and what to do about unusual values.
        expr: PromQL with one series.
        unit: Grafana's name of the unit.
        bad: From this value on, the number is red.
        good: From this value on, the number is green, and red below.
    """
    steps = [Threshold(color="text")]
    if bad is not None:
        steps = [Threshold(color="green"), Threshold(value=bad, color="red")]
    elif good is not None:
        steps = [Threshold(color="red"), Threshold(value=good, color="green")]
    return (
        stat.Panel()
        .title(title)
        .description(about)
        .datasource(SOURCE)
        .unit(unit)
        .color_mode(BigValueColorMode.VALUE)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .thresholds(dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps))
        .span(4)
        .height(HEIGHT // 2)
        .with_target(_target(Query(expr), 0, instant=True))
    )


def quantiles(histogram: str, by: str, where: str = "", *, exemplar: bool = False) -> list[Query]:
    """Return the median and the 99th percentile of a histogram, for each value of the label ``by``."""
    labels = f"le, {by}" if by else "le"
    name = f"{{{{{by}}}}} " if by else ""
    return [
        Query(
            f"histogram_quantile({share}, sum by ({labels}) (rate({histogram}_bucket{where}[5m])))",
            f"{name}p{round(share * 100)}",
            exemplar=exemplar and share == P99,
        )
        for share in (P50, P99)
    ]


def new_dashboard(name: str, title: str, about: str, rows: Sequence[Row]) -> dashboard.Dashboard:
    """Return a dashboard with a fixed uid, which links to the others."""
    made = (
        dashboard.Dashboard(title)
        .uid(f"gnomon-{name}")
        .description(about)
        .tags(["gnomon"])
        .refresh("10s")
        .time("now-1h", "now")
        .timezone("browser")
        .editable()
        .link(
            dashboard.DashboardLink("gnomon")
            .type(DashboardLinkType.DASHBOARDS)
            .tags(["gnomon"])
            .keep_time(True)  # noqa: FBT003  the builder's own
        )
    )
    ids = count(1)
    for row in rows:
        made.with_row(dashboard.Row(row.title).id(next(ids)))
        for panel in row.panels:
            made.with_panel(panel.id(next(ids)))
    return made


def stage_variable() -> dashboard.QueryVariable:
    """Return the choice of a stage, or of all."""
    return (
        dashboard.QueryVariable("stage")
        .label("Stage")
        .datasource(SOURCE)
        .query("label_values(gnomon_ready, stage)")
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .include_all(True)  # noqa: FBT003  the builder's own
        .all_value(".*")
    )


def _target(query: Query, number: int, *, instant: bool) -> prometheus.Dataquery:
    target = (
        prometheus.Dataquery()
        .datasource(SOURCE)
        .expr(query.expr)
        .legend_format(query.legend)
        .ref_id(chr(ord("A") + number))
        .exemplar(query.exemplar)
    )
    return target.instant() if instant else target.range()
