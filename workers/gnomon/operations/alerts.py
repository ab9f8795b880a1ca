"""The alerts that Alertmanager has now."""

import base64
import json
from collections.abc import Sequence
from datetime import datetime
from http.client import HTTPException
from typing import Any, Final
from urllib.error import URLError
from urllib.parse import unquote, urlsplit
from urllib.request import Request, urlopen

import msgspec

from gnomon.errors import ConfigurationError, TransientError

TIMEOUT_S: Final = 5.0
_MOST_BYTES: Final = 4 << 20
_ORDER: Final = {"critical": 0, "warning": 1, "info": 2}
_SHOWN: Final = ("stage", "worker", "instance", "version", "topic", "reason", "drill", "partition")


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """One alert.

    Attributes:
        name: Of its rule.
        severity: ``critical``, ``warning``, ``info``, or whatever the rule says.
        summary: What is wrong.
        of: What it is about: some of its labels.
        since_ms: Since when, epoch milliseconds; ``None`` if Alertmanager tells no time.
        silenced: Whether nobody is told of it: it is silenced, or another alert inhibits it.
    """

    name: str
    severity: str
    summary: str
    of: str
    since_ms: int | None
    silenced: bool


def read_alerts(url: str) -> Sequence[Alert]:
    """Return what Alertmanager has now, the worst first.

    Args:
        url: Base URL of Alertmanager; a user and password in it are sent as such.

    Raises:
        ConfigurationError: There is no such URL.
        TransientError: Nothing there answers as Alertmanager does.
    """
    if not url:
        raise ConfigurationError(
            "GNOMON_ALERTMANAGER_URL=http://host:9093 names the Alertmanager whose alerts are shown here;"
            " deploy/ has its configuration"
        )
    request = _request(url)
    try:
        with urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
            found = json.loads(answer.read(_MOST_BYTES))
        alerts = [_alert(each) for each in found]
    except (
        URLError,
        HTTPException,
        OSError,
        ValueError,
        TypeError,
        KeyError,
        RecursionError,
    ) as error:
        reason = getattr(error, "reason", None) or type(error).__name__
        raise TransientError(f"Alertmanager does not answer: {reason}") from error
    return sorted(alerts, key=lambda each: (_ORDER.get(each.severity, 3), each.name, each.of))


def _request(url: str) -> Request:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConfigurationError("GNOMON_ALERTMANAGER_URL: expected http://… or https://…")
    host = parts.netloc.rpartition("@")[2]
    request = Request(f"{parts.scheme}://{host}{parts.path.rstrip('/')}/api/v2/alerts")  # noqa: S310
    if parts.username is not None:
        user = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        request.add_header("Authorization", f"Basic {base64.b64encode(user.encode()).decode()}")
    return request


def _alert(found: dict[str, Any]) -> Alert:
    labels, about = found["labels"], found["annotations"]
    return Alert(
        name=str(labels["alertname"]),
        severity=str(labels.get("severity", "")),
        summary=str(about.get("summary", "")),
        of=", ".join(f"{name} {labels[name]}" for name in _SHOWN if name in labels),
        since_ms=_ms(found.get("startsAt")),
        silenced=found["status"]["state"] == "suppressed",
    )


def _ms(text: object) -> int | None:
    try:
        return int(datetime.fromisoformat(str(text)).timestamp() * 1_000)
    except ValueError:
        return None
