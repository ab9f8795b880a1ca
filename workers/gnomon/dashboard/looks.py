"""How the pages look, in Streamlit's options: light or dark as the browser asks."""

from typing import Any, Final

LIGHT: Final = ["#0072b2", "#d55e00", "#009e73", "#aa4499", "#8c6d00", "#5a5a5a"]
DARK: Final = ["#56b4e9", "#f0a35e", "#3ecf9f", "#e09cc8", "#e6d05c", "#b5b5b5"]
"""Colours of lines and bars that people who do not see all colours can tell apart."""
HEADINGS: Final = ["2rem", "1.5rem", "1.25rem", "1.1rem", "1rem", "0.9rem"]


def look() -> dict[str, Any]:
    """Return the options."""
    return {
        "theme.light.primaryColor": LIGHT[0],
        "theme.light.chartCategoricalColors": LIGHT,
        "theme.dark.primaryColor": DARK[0],
        "theme.dark.chartCategoricalColors": DARK,
        "theme.headingFontSizes": HEADINGS,
        "theme.metricValueFontSize": "1.6rem",
        "theme.paddingTop": "2.5rem",
        "theme.paddingBottom": "3rem",
    }
