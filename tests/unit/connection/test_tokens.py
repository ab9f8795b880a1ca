"""Tests of access tokens: asked for as RFC 6749 says, kept until near their end, never shown."""

import base64
import json
import threading
import urllib.parse
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from gnomon.connection import KafkaSecurity
from gnomon.connection.tokens import TokenCache, TokenError

SECRET = "s3cret: of & co"  # noqa: S105  a secret of nothing


class Provider:
    """An identity provider on this machine.

    Attributes:
        requests: Login and form of each request.
        status: Status of the answers.
        answer: What it answers; by default a token that is numbered by the requests.
    """

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, list[str]]]] = []
        self.status, self.answer = 200, b""
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                form = self.rfile.read(int(self.headers["Content-Length"])).decode()
                login = self.headers["Authorization"].removeprefix("Basic ")
                provider.requests.append(
                    (base64.b64decode(login).decode(), urllib.parse.parse_qs(form))
                )
                token = {"access_token": f"token {len(provider.requests)}", "expires_in": 100}
                self.send_response(provider.status)
                self.end_headers()
                self.wfile.write(provider.answer or json.dumps(token).encode())

            def log_message(self, *_: Any) -> None: ...

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/token"

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def provider() -> Iterator[Provider]:
    made = Provider()
    yield made
    made.stop()


class Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def cache(provider: Provider, folder: Path, clock: Clock) -> TokenCache:
    (folder / "secret").write_text(f"{SECRET}\n")
    security = KafkaSecurity(
        security_protocol="SASL_SSL",
        sasl_mechanism="OAUTHBEARER",
        oauth_token_url=provider.url,
        oauth_client_id="gnomon:a",
        oauth_client_secret_file=str(folder / "secret"),
        oauth_scope="kafka",
    )
    return TokenCache(security, clock_s=clock)


async def test_a_token_is_asked_for_by_client_credentials(
    provider: Provider, tmp_path: Path
) -> None:
    assert await cache(provider, tmp_path, Clock()).token() == "token 1"

    ((login, form),) = provider.requests
    name, _, secret = login.partition(":")
    assert urllib.parse.unquote_plus(name) == "gnomon:a"
    assert urllib.parse.unquote_plus(secret) == SECRET
    assert form == {"grant_type": ["client_credentials"], "scope": ["kafka"]}


async def test_a_token_is_kept_until_near_its_end(provider: Provider, tmp_path: Path) -> None:
    clock = Clock()
    tokens = cache(provider, tmp_path, clock)
    found = []
    for clock.now_s in (1000.0, 1050.0, 1079.0, 1081.0, 1160.0):
        found.append(await tokens.token())

    assert found == ["token 1", "token 1", "token 1", "token 2", "token 2"]


@pytest.mark.parametrize(
    ("status", "answer", "said"),
    [
        (401, b"", "HTTP 401"),
        (503, b"", "HTTP 503"),
        (200, b"<html>", "no token"),
        (200, b"[]", "no token"),
        (200, b'{"access_token": ""}', "no token"),
        (200, b'{"access_token": "t", "expires_in": "soon"}', "no token"),
    ],
)
async def test_a_provider_that_gives_none_is_named_and_the_secret_is_not(
    provider: Provider, tmp_path: Path, status: int, answer: bytes, said: str
) -> None:
    provider.status, provider.answer = status, answer

    with pytest.raises(TokenError, match=said) as raised:
        await cache(provider, tmp_path, Clock()).token()

    assert "GNOMON_KAFKA_OAUTH_TOKEN_URL" in str(raised.value)
    assert "s3cret" not in str(raised.value)


async def test_a_new_secret_is_taken_up_with_the_next_token(
    provider: Provider, tmp_path: Path
) -> None:
    clock = Clock()
    tokens = cache(provider, tmp_path, clock)
    await tokens.token()
    (tmp_path / "secret").write_text("another")
    clock.now_s += 90

    await tokens.token()

    assert [login.partition(":")[2] for login, _ in provider.requests][1] == "another"
