"""Reports errors to Sentry without payloads: only location, class, and numeric fields of log lines."""

import logging

import sentry_sdk
from sentry_sdk.integrations.logging import LoggingIntegration
from sentry_sdk.types import Event, Hint


def init_sentry(dsn: str, *, stage: str, release: str) -> None:
    """Report errors of this process to ``dsn``.

    Messages and local variables may contain a payload or a key, so neither is sent: an exception is
    sent as its type and its stack frames. Nothing is sent when ``dsn`` is empty.
    """
    if not dsn:
        return
    sentry_sdk.init(
        dsn=dsn,
        release=f"gnomon@{release}",
        include_local_variables=False,
        include_source_context=False,
        send_default_pii=False,
        max_request_body_size="never",
        max_breadcrumbs=0,
        default_integrations=False,
        integrations=[LoggingIntegration(level=None, event_level=logging.ERROR)],
        before_send=_without_payload,
        server_name="",
    )
    sentry_sdk.set_tag("stage", stage)


def _without_payload(event: Event, _: Hint) -> Event:
    exceptions = event.get("exception") or {}
    for exception in exceptions.get("values", []):
        exception["value"] = ""
    event.pop("breadcrumbs", None)
    extra = event.get("extra")
    if isinstance(extra, dict):
        event["extra"] = {k: v for k, v in extra.items() if isinstance(v, int | float)}
    return event
