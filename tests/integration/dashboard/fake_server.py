"""Serves the pages of a ``FakeSource``: ``python -m tests.integration.dashboard.fake_server PORT NOW_MS FOREIGN``."""

import os
import sys
from dataclasses import replace

from tests.integration.dashboard.fake_source import FakeSource

from gnomon.dashboard import serving
from gnomon.dashboard.pages import shared
from gnomon.settings import Settings

if __name__ == "__main__":
    settings = replace(Settings.from_env(os.environ), dashboard_actions=True)
    fake = FakeSource(settings, now_ms=int(sys.argv[2]), foreign=sys.argv[3])
    shared.installation = lambda: fake
    serving.serve(settings, host="127.0.0.1", port=int(sys.argv[1]))
