"""Draws tables and rows of figures, each with its definition one hover away."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, Literal

import streamlit as st

from gnomon.dashboard.views.texts import NOTHING

FIGURE_PX: Final = 136
"""Width of a figure: two fit beside each other on a telephone."""


def figures(values: Mapping[str, str], about: Mapping[str, str]) -> None:
    """Draw figures beside each other, in as many rows as the screen needs.

    Args:
        values: What is shown, by name.
        about: The definition of each.
    """
    with st.container(horizontal=True):
        for name, value in values.items():
            st.metric(name, value, help=about[name], width=FIGURE_PX)


def table(
    rows: Sequence[Mapping[str, Any]],
    about: Mapping[str, str],
    *,
    what: str,
    wide: Collection[str] = (),
    height: int | Literal["auto"] = "auto",
    config: Mapping[str, Any] | None = None,
) -> None:
    """Draw a table.

    Args:
        rows: The same columns in each.
        about: The definition of each column; columns that it has not are not shown.
        what: What the table shows, for those who cannot see it.
        wide: The columns with long texts.
        height: In pixels; by default that of ten rows at most.
        config: Columns that are drawn in another way.
    """
    columns = {
        name: _column(rows, name, text, is_wide=name in wide) for name, text in about.items()
    }
    st.dataframe(
        rows,
        hide_index=True,
        placeholder=NOTHING,
        column_order=list(about),
        column_config={**columns, **(config or {})},
        height=height,
        alt=what,
    )


def _column(rows: Sequence[Mapping[str, Any]], name: str, about: str, *, is_wide: bool) -> Any:
    values = [row[name] for row in rows if row.get(name) is not None]
    width: Literal["large"] | None = "large" if is_wide else None
    if values and all(isinstance(each, bool) for each in values):
        return st.column_config.CheckboxColumn(help=about, width=width)
    if values and all(isinstance(each, int | float) for each in values):
        return st.column_config.NumberColumn(help=about, width=width, format="localized")
    return st.column_config.TextColumn(help=about, width=width)
