"""Asks Prometheus by its HTTP API."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import aiohttp

from gnomon.drill.child import DrillError


class Rule(NamedTuple):
    """One alerting rule: how long its condition must hold, and its state."""

    for_s: float
    state: str


class Prometheus:
    """A running Prometheus.

    Args:
        http: Makes the requests.
        url: Its base URL.
    """

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._http, self._url = http, url

    async def query(self, expr: str) -> list[tuple[Mapping[str, str], float]]:
        """Return the labels and values of ``expr`` now.

        Raises:
            DrillError: Prometheus refuses the expression, or does not answer.
        """
        answer = await self._get("query", {"query": expr})
        return [(each["metric"], float(each["value"][1])) for each in answer["result"]]

    async def exemplars(self, expr: str, *, start_s: float, end_s: float) -> list[Any]:
        """Return the exemplars of the series of ``expr`` between two moments (epoch seconds)."""
        arguments = {"query": expr, "start": str(start_s), "end": str(end_s)}
        found: list[Any] = await self._get("query_exemplars", arguments)
        return found

    async def alerts(self) -> Mapping[str, Rule]:
        """Return every alerting rule, by name."""
        groups = (await self._get("rules", {"type": "alert"}))["groups"]
        return {
            rule["name"]: Rule(float(rule["duration"]), rule["state"])
            for group in groups
            for rule in group["rules"]
        }

    async def up(self) -> set[str]:
        """Return the workers that were scraped well last."""
        targets = (await self._get("targets", {"state": "active"}))["activeTargets"]
        return {each["labels"]["worker"] for each in targets if each["health"] == "up"}

    async def _get(self, what: str, arguments: Mapping[str, str]) -> Any:
        try:
            async with self._http.get(f"{self._url}/api/v1/{what}", params=arguments) as response:
                answer = await response.json()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise DrillError(f"prometheus does not answer: {error!r}") from error
        if answer["status"] != "success":
            raise DrillError(f"prometheus refuses {arguments}: {answer['error']}")
        return answer["data"]
