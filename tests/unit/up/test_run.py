"""Tests of what ``gnomon up`` starts beside the stages, and what it passes on."""

from types import SimpleNamespace
from typing import Any

from gnomon.settings import Settings
from gnomon.up.addresses import Ports
from gnomon.up.run import Up

PORTS = Ports(kafka=0, gateway=0, dashboard=8501, exporter=9180, workers=0)


def started(settings: Settings, *, dashboard: bool) -> dict[str, Any]:
    stack: Any = SimpleNamespace(settings=settings, broker=None, settings_of=lambda _: settings)
    up = Up(stack, ports=PORTS, secure=False, dashboard=dashboard, began_s=0.0)
    return {service.name: service for service in up._services()}


def test_the_exporter_serves_on_this_machine_only() -> None:
    exporter = started(Settings(brokers="127.0.0.1:1"), dashboard=False)["exporter"]
    assert exporter.arguments == ["exporter", "--host", "127.0.0.1", "--port", "9180"]
    assert exporter.health_url == "http://127.0.0.1:9180/livez"
    assert exporter.environ["GNOMON_BROKERS"] == "127.0.0.1:1"


def test_the_token_of_the_dashboard_is_passed_on() -> None:
    settings = Settings.from_env({"GNOMON_DASHBOARD_TOKEN": "open sesame"})
    services = started(settings, dashboard=True)
    assert list(services) == ["gateway", "learn", "exporter", "dashboard"]
    assert services["dashboard"].environ["GNOMON_DASHBOARD_TOKEN"] == "open sesame"  # noqa: S105
    assert "open sesame" not in repr(services)
