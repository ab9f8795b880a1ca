"""The configuration of Prometheus and Alertmanager for a drill. Pure."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

MOST_ANSWER_S: Final = 2.0
"""How long a target may take to answer, as in the shipped prometheus.yml."""


def prometheus_config(
    targets: Mapping[str, str], *, rules: Path, alertmanager: str | None, every_s: float
) -> str:
    """Return Prometheus's configuration: YAML, which JSON is a part of.

    Args:
        targets: Addresses by the name of the worker, the exporter and the gateway.
        rules: The file of rules.
        alertmanager: Its address, if there is one.
        every_s: Seconds between two scrapes, and between two evaluations.
    """
    jobs: dict[str, list[dict[str, object]]] = {}
    for name, address in targets.items():
        job = f"gnomon-{name}" if name in {"exporter", "gateway"} else "gnomon-workers"
        target: dict[str, object] = {"targets": [address], "labels": {"worker": name}}
        jobs.setdefault(job, []).append(target)
    every = f"{round(every_s * 1000)}ms"
    alerting = {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]}
    return json.dumps(
        {
            "global": {
                "scrape_interval": every,
                "scrape_timeout": f"{round(min(every_s, MOST_ANSWER_S) * 1000)}ms",
                "evaluation_interval": every,
            },
            "rule_files": [str(rules)],
            "alerting": alerting if alertmanager else {},
            "scrape_configs": [
                {"job_name": job, "static_configs": found} for job, found in jobs.items()
            ],
        }
    )


def alertmanager_config(shipped: str, *, receiver: str) -> str:
    """Return the shipped configuration, with its routes and times, for another receiver.

    Args:
        shipped: The file as it comes with gnomon.
        receiver: Base URL of the receiver, to which the name of the route is appended.
    """
    return re.sub(r"http://127\.0\.0\.1:9999(?=/)", receiver, shipped)
