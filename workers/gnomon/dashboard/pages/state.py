"""What a page shows stands in its URL, so that a link shows the same and Back goes back."""

from collections.abc import Sequence
from typing import Final

import streamlit as st

from gnomon.dashboard.window import DEFAULT, LENGTHS_MS, Window

LENGTH: Final = "window"
END: Final = "until"
MODEL: Final = "model"
AGENT: Final = "agent"
CARRIED: Final = (LENGTH, END, MODEL, AGENT)
"""Parameters that stay when the page changes."""
_MOST_CHARACTERS: Final = 200


def carried() -> dict[str, str]:
    """Return the parameters that a link to another page keeps."""
    return {name: st.query_params[name] for name in CARRIED if name in st.query_params}


def parameter(name: str) -> str | None:
    """Return a parameter of the URL, in at most the length of what is stored."""
    value = st.query_params.get(name)
    return None if value is None else value[:_MOST_CHARACTERS]


def put(name: str, value: str | None) -> None:
    """Change a parameter of the URL; ``None`` removes it."""
    if value is None:
        st.query_params.pop(name, None)
    else:
        st.query_params[name] = value


def choose_window(default: str = DEFAULT) -> Window:
    """Let the reader choose the period, and return it."""
    window = Window.of(parameter(LENGTH), parameter(END), default=default)
    key = "choose_window"
    st.session_state[key] = window.length  # the URL decides, also after Back
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.segmented_control(
            "Period",
            list(LENGTHS_MS),
            key=key,
            required=True,
            on_change=lambda: put(LENGTH, st.session_state[key]),
            help="The period that figures over time are of. It stands in the URL.",
        )
        if window.end_ms is not None:
            st.button("Back to now", on_click=put, args=(END, None), help="End the period now.")
    return window


def choose(label: str, name: str, options: Sequence[str], *, about: str) -> str | None:
    """Let the reader choose one of ``options``, kept in the URL as ``name``; by default the first."""
    if not options:
        return None
    wanted = parameter(name)
    chosen = wanted if wanted in options else options[0]
    key = f"choose_{name}"
    st.session_state[key] = chosen
    st.selectbox(
        label, options, key=key, on_change=lambda: put(name, st.session_state[key]), help=about
    )
    return chosen
