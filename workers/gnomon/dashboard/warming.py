"""Reads what takes long in a large store before the first reader asks for it."""

import threading
from typing import Final

from gnomon.dashboard.pages import shared
from gnomon.dashboard.pages.agents import read_agents
from gnomon.dashboard.pages.drift import read_losses
from gnomon.dashboard.pages.live import read_flow
from gnomon.dashboard.pages.models import read_compared
from gnomon.dashboard.pages.vault import read_vault
from gnomon.dashboard.window import Window

LENGTHS: Final = ("24h", "7d", "30d")


def warm_up() -> None:
    """Begin to read, one after the other, in a thread of its own."""
    threading.Thread(target=_read_all, name="dashboard-warming", daemon=True).start()


def _read_all() -> None:
    source = shared.installation()
    read_vault(source)
    for length in LENGTHS:
        window = Window(length)
        for read in (read_compared, read_losses, read_agents, read_flow):
            read(source, window)
