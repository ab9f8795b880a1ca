"""Makes the gateway's responses: JSON of its own for events, and otherwise OTLP's form."""

import json
from typing import Final

from aiohttp import web

from gnomon.gateway.otlp import JSON, PROTOBUF, failure

RETRY_AFTER_S: Final = "5"
ROUTING: Final = {
    404: "there is no such path: send to /v1/traces or /v1/events",
    405: "expected the method POST",
}
"""What is said in place of the framework's own words."""


def answer(status: int, said: object) -> web.Response:
    """Return a response with JSON, which says when to come back if there is no room."""
    headers = (
        {"Retry-After": RETRY_AFTER_S} if status == web.HTTPTooManyRequests.status_code else None
    )
    return web.Response(
        body=json.dumps(said).encode(), status=status, content_type=JSON, headers=headers
    )


def refused_whole(request: web.Request, status: int, why: str) -> web.Response:
    """Return the response that refuses a whole request, in OTLP's form unless events were sent.

    An exporter that is set up wrongly may send logs or metrics too; it understands OTLP's form only.
    """
    if request.path == "/v1/events":
        response = answer(status, {"error": why})
    else:
        media_type = PROTOBUF if request.content_type == PROTOBUF else JSON
        response = web.Response(
            body=failure(why, media_type), status=status, content_type=media_type
        )
    if status in {429, 503}:
        response.headers["Retry-After"] = RETRY_AFTER_S
    return response


def of_error(request: web.Request, error: web.HTTPException) -> web.Response:
    """Return the response for an error of the framework, without its words, or of the gateway."""
    why = ROUTING.get(error.status) or error.text or error.reason
    response = refused_whole(request, error.status, why)
    for name in ("Allow", "Accept-Encoding"):
        if name in error.headers:
            response.headers[name] = error.headers[name]
    if error.status == web.HTTPUnauthorized.status_code:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response
