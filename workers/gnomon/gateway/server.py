"""The gateway's HTTP server: authorization, limits, and responses."""

import hmac
import logging
import ssl
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Final

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from gnomon import __version__, http_log
from gnomon.errors import ConfigurationError, EventError
from gnomon.gateway.decoding import (
    SUPPORTED,
    BadEncodingError,
    TooLargeError,
    UnsupportedEncodingError,
    read_body,
)
from gnomon.gateway.delivery import Delivery, Sender
from gnomon.gateway.metrics import GatewayMetrics
from gnomon.gateway.otlp import JSON, PROTOBUF, read_traces, success
from gnomon.gateway.reading import read_events
from gnomon.gateway.responses import answer, of_error, refused_whole

logger = logging.getLogger(__name__)

MAX_ERRORS_LISTED: Final = 100
"""Most errors that a response lists; its counts include all."""
LINGER_S: Final = 1.0
"""How long the rest of a refused body is read, so that the sender receives the response."""
SHUTDOWN_S: Final = 2.0
"""How long unfinished requests may take once the gateway is shutting down."""
CLIENT_REFUSED: Final = EventError("invalid", "the client does not accept this event")


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayConfig:
    """Configuration of the server.

    Attributes:
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.
        token: Token required in ``Authorization: Bearer``; empty if none is required.
        max_body_bytes: Most bytes of a body, after decompression.
        wait_s: Longest time that a request waits while the buffer is full.
        settings_digest: Hash of the settings, for ``/metrics``.
        certfile: File with the certificate and its key, PEM, to serve over TLS; empty for plain HTTP.
        has_tenant: Whether its client puts a tenant on every event, whatever the sender says.
    """

    host: str = "127.0.0.1"
    port: int = 4318
    token: str = field(default="", repr=False)
    max_body_bytes: int = 16 << 20
    wait_s: float = 5.0
    settings_digest: str = ""
    certfile: str = ""
    has_tenant: bool = False


class GatewayServer:
    """HTTP server of the gateway.

    Attributes:
        port: The port it listens on.
    """

    def __init__(self, sender: Sender, config: GatewayConfig) -> None:
        self.port = config.port
        self._sender, self._config = sender, config
        self._metrics = GatewayMetrics(version=__version__, settings=config.settings_digest)
        self._delivery = Delivery(sender, wait_s=config.wait_s)
        app = web.Application(middlewares=[self._guard])
        app.router.add_post("/v1/events", self._events)
        app.router.add_post("/v1/traces", self._traces)
        app.router.add_get("/livez", self._livez)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", self._exposition)
        self._runner = web.AppRunner(
            app,
            access_log=None,
            shutdown_timeout=SHUTDOWN_S,
            lingering_time=LINGER_S,
            auto_decompress=False,  # aiohttp answers in its own words, without the protocol's form
            logger=http_log.logger,
        )

    async def start(self) -> None:
        """Start to listen.

        Raises:
            OSError: The server cannot listen on the address and port.
            ConfigurationError: The certificate cannot be used.
        """
        context = _tls(self._config.certfile) if self._config.certfile else None
        await self._runner.setup()
        await web.TCPSite(self._runner, self._config.host, self.port, ssl_context=context).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Accept no more requests, and finish those in progress."""
        self._delivery.closing = True
        await self._runner.cleanup()

    @web.middleware
    async def _guard(
        self,
        request: web.Request,
        handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
    ) -> web.StreamResponse:
        """Check the sender, and turn every error into a response of the request's protocol."""
        if not request.path.startswith("/v1/"):
            return await handler(request)
        route = request.path if request.path in {"/v1/events", "/v1/traces"} else "other"
        try:
            self._check(request)
            response = await handler(request)
        except web.HTTPException as error:
            response = of_error(request, error)
        except (HttpProcessingError, web.RequestPayloadError, ConnectionResetError):
            response = refused_whole(request, 400, "the body breaks off, or its chunks are wrong")
        except EventError as error:
            response = refused_whole(request, 400, str(error))
        except Exception:  # the process edge
            logger.exception("gateway.request_failed", extra={"route": route})
            response = refused_whole(
                request, 500, "the gateway failed on this request; its log says why"
            )
        self._metrics.request(route, response.status)
        return response

    def _check(self, request: web.Request) -> None:
        """Raise an HTTP error unless the sender is authorized.

        A web page in a browser on this machine can send requests too; its requests have the header
        ``Origin``. They are refused unless they carry the token.
        """
        token = self._config.token
        if token:
            scheme, _, given = request.headers.get("Authorization", "").partition(" ")
            same = hmac.compare_digest(given.strip().encode(errors="replace"), token.encode())
            if not same or scheme.lower() != "bearer":
                raise web.HTTPUnauthorized(text="the token is missing or wrong")
        elif "Origin" in request.headers:
            raise web.HTTPForbidden(
                text="requests of web pages need a token (GNOMON_GATEWAY_TOKEN)"
            )
        if self._delivery.closing:
            raise web.HTTPServiceUnavailable(text="the gateway is shutting down")

    async def _body(self, request: web.Request) -> bytes:
        """Read and unpack the body; ``request.read`` would use several times the limit."""
        limit = self._config.max_body_bytes
        encoding = request.headers.get("Content-Encoding", "")
        try:
            return await read_body(request.content.iter_any(), encoding, limit)
        except TooLargeError:
            raise web.HTTPRequestEntityTooLarge(limit, text=f"more than {limit} bytes") from None
        except BadEncodingError:
            why = "the body does not match its Content-Encoding"
            raise web.HTTPBadRequest(text=why) from None
        except UnsupportedEncodingError:
            known = ", ".join(SUPPORTED)
            raise web.HTTPUnsupportedMediaType(
                text=f"expected a Content-Encoding of {known} or none",
                headers={"Accept-Encoding": known},
            ) from None

    async def _events(self, request: web.Request) -> web.Response:
        body = await self._body(request)
        found = read_events(body, keeps_tenant=not self._config.has_tenant)
        valid_at = [at for at, event in enumerate(found) if not isinstance(event, EventError)]
        refused = [(at, event) for at, event in enumerate(found) if isinstance(event, EventError)]
        delivered = await self._delivery.deliver(
            [event for event in found if not isinstance(event, EventError)]
        )
        taken, no_room = delivered.taken, len(valid_at) - delivered.seen
        if delivered.refused:
            refused += [(valid_at[at], CLIENT_REFUSED) for at in delivered.refused]
            refused.sort(key=itemgetter(0))
        self._metrics.events("/v1/events", taken=taken, refused=len(refused), no_room=no_room)
        found_out: dict[str, object] = {
            "accepted": taken,
            "refused": len(refused),
            "errors": [
                {"index": at, "reason": error.reason, "detail": error.detail}
                for at, error in refused[:MAX_ERRORS_LISTED]
            ],
        }
        if no_room:
            found_out["resend_from"] = valid_at[delivered.seen]
            return answer(429, found_out)
        if not refused:
            return answer(202, found_out)
        return answer(207 if taken else 400, found_out)

    async def _traces(self, request: web.Request) -> web.Response:
        media_type = request.content_type
        if media_type not in {JSON, PROTOBUF}:
            raise web.HTTPUnsupportedMediaType(text=f"expected {JSON} or {PROTOBUF}")
        skipped: Counter[str] = Counter()
        found = read_traces(await self._body(request), media_type, skipped)
        self._metrics.skipped(skipped)
        delivered = await self._delivery.deliver(found.events)
        no_room = len(found.events) - delivered.seen
        tasks = {found.events[at].task_id for at in delivered.refused}
        refused = [*found.refused, *(CLIENT_REFUSED for _ in tasks)]
        self._metrics.events(
            "/v1/traces", taken=delivered.taken, refused=len(refused), no_room=no_room
        )
        if no_room:
            # OTLP resends the whole request. Tasks that were accepted already are then repeats,
            # which the workers drop by their ids.
            return refused_whole(request, 429, "the buffer is full: send again later")
        # Most requests have other spans beside tasks; that all are others is worth a warning.
        warned = {} if found.events else skipped
        return web.Response(body=success(refused, media_type, warned), content_type=media_type)

    async def _livez(self, _: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _readyz(self, _: web.Request) -> web.Response:
        if self._delivery.closing or not self._delivery.has_room:
            why = (
                "shutting down"
                if self._delivery.closing
                else "the buffer is full: the broker accepts nothing"
            )
            return web.Response(text=f"{why}\n", status=503)
        return web.Response(text="ok\n")

    async def _exposition(self, request: web.Request) -> web.Response:
        body, content_type = self._metrics.exposition(
            self._sender.stats(), request.headers.get("Accept", "")
        )
        return web.Response(body=body, headers={"Content-Type": content_type})


def _tls(certfile: str) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(certfile)
    except OSError as error:  # SSLError is one
        raise ConfigurationError(
            f"--certfile {certfile}: expected a certificate and its key in PEM: {error}"
        ) from error
    return context
