"""From ``gnomon up`` to the first page with the first task of an agent of one's own, in seconds."""

import logging
import re
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Kafka
from tests.integration.dashboard.browsing import LONG, looking, needs_chromium
from tests.integration.dashboard.chromium import browser
from tests.integration.up.test_up import up, works

pytest.importorskip("streamlit", reason="streamlit is not installed")
__all__ = ["browser"]  # a fixture
pytestmark = [
    pytest.mark.kafka,
    pytest.mark.slow,
    pytest.mark.timeout(400),
    needs_chromium,
    pytest.mark.skipif(
        not LONG, reason="LONG=1 runs it: seconds count only where nothing else runs"
    ),
]
logger = logging.getLogger(__name__)
FIRST_S, SECOND_S = 60.0, 15.0


def test_the_first_page_has_the_first_task_in_time(
    kafka: Kafka, tmp_path: Path, browser: Any
) -> None:
    """``kafka`` is only asked for so that this skips where Kafka cannot run."""
    assert kafka.brokers
    taken = []
    for start in (1, 2):
        began_s = time.monotonic()
        with up(tmp_path) as running:
            works(running.wait_for(r"export GNOMON_BROKERS=(\S+)$")[1], tasks=1)
            url = running.wait_for(r"^  dashboard +(http://127\.0\.0\.1:\d+)$")[1]
            running.wait_for(r"^dashboard +ready")
            with looking(browser, f"{url}/live?window=1h") as (page, _):
                tasks = page.get_by_test_id("stMetric").filter(has_text=re.compile("^Tasks"))
                page.wait_for_function("document.querySelector('h1')", timeout=60_000)
                tasks.get_by_text(f"{start}", exact=True).wait_for(timeout=60_000)
            taken.append(time.monotonic() - began_s)
            running.process.send_signal(signal.SIGINT)
            assert running.process.wait(60) == 0
    logger.info("first start %.1f s, second %.1f s", *taken)
    assert taken[0] < FIRST_S
    assert taken[1] < SECOND_S
