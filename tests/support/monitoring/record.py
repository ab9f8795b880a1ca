"""Records what Prometheus scrapes from real workers under normal load, for the tests of the alerts.

``python -m tests.support.monitoring.record`` starts a broker with TLS, all stages, the exporter, the gateway and
Prometheus, lets twenty agents work for two minutes, and writes the last minute of the series that the rules use.
Run it again when a test says that a metric of the rules was not recorded.
"""

import asyncio
import json
import time
from collections.abc import Mapping
from typing import Any, Final

import aiohttp
from tests.support.monitoring.promtool import STEP_S
from tests.support.monitoring.recording import RECORDING, metrics_of_rules

from gnomon import Client
from gnomon.cli.texts.saying import say
from gnomon.cli.verdicts.own_stack import own_stack
from gnomon.drill.monitoring.dashboards import DashboardsDrill
from gnomon.drill.monitoring.station import Station
from gnomon.settings import Settings

WARM_UP_S: Final = 60
RECORDED_S: Final = 60
RATE_PER_S: Final = 20
AGENTS: Final = 20


async def _record() -> dict[str, list[float]]:
    at_ms = time.time_ns() // 1_000_000
    async with own_stack(Settings.from_env({}), secure=True) as stack:
        drill = DashboardsDrill(stack, progress=say)
        await asyncio.to_thread(drill._promote)
        drill._note_a_verification(at_ms)
        async with Station(
            stack, every_s=5.0, alerting=False, gateway=True, drill="record"
        ) as station:
            await station.settled()
            await _work(stack.settings, WARM_UP_S + RECORDED_S)
            return await _series(station.prometheus._http, station.prometheus._url)


async def _work(settings: Settings, seconds: float) -> None:
    client = Client(
        settings.brokers, topic_prefix=settings.topic_prefix, security=settings.kafka.security
    )
    began_s, number = time.monotonic(), 0
    while time.monotonic() < began_s + seconds:
        while number < (time.monotonic() - began_s) * RATE_PER_S:
            number += 1
            with client.task("review", agent_id=f"agent-{number % AGENTS}"):
                pass
        await asyncio.sleep(0.05)
    await asyncio.to_thread(client.close)


async def _series(http: aiohttp.ClientSession, url: str) -> dict[str, list[float]]:
    """The samples of the last minute; moments as seconds after the recording."""
    now_s = time.time_ns() / 1e9
    wanted = "|".join(sorted(metrics_of_rules()))
    arguments: Mapping[str, Any] = {
        "query": f'{{__name__=~"{wanted}"}}',
        "start": str(now_s - RECORDED_S),
        "end": str(now_s),
        "step": str(STEP_S),
    }
    async with http.get(f"{url}/api/v1/query_range", params=arguments) as response:
        found = (await response.json())["data"]["result"]
    recorded = {}
    for each in found:
        labels = dict(each["metric"])
        name, _ = labels.pop("__name__"), labels.pop("instance", None)
        if name != "up":
            labels = {k: v for k, v in labels.items() if k not in {"job", "worker"}}
        shown = ",".join(f'{key}="{value}"' for key, value in sorted(labels.items()))
        since_s = now_s if name.endswith("_timestamp_seconds") else 0.0
        recorded[f"{name}{{{shown}}}"] = [
            round(float(value) - since_s, 6) for _, value in each["values"]
        ]
    return dict(sorted(recorded.items()))


def main() -> None:
    recorded = asyncio.run(_record())
    lines = [f"{json.dumps(name)}: {json.dumps(values)}" for name, values in recorded.items()]
    RECORDING.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    print(f"{len(recorded)} series: {RECORDING}")


if __name__ == "__main__":
    main()
