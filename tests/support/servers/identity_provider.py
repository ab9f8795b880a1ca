"""An identity provider on this machine: tokens by client credentials, and the keys that check them."""

import base64
import json
import threading
import time
import urllib.parse
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Final, Self

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

AUDIENCE: Final = "kafka"
KEY_ID: Final = "of-tests"


class IdentityProvider:
    """Context manager: inside it, ``/token`` gives signed tokens (RFC 7519) and ``/jwks`` the public key.

    Args:
        secrets: The secret of each client, by its id, which becomes the subject of its tokens.
        life_s: How long a token is valid, in whole seconds.

    Attributes:
        given: The subjects of the tokens that were given.
    """

    def __init__(self, secrets: Mapping[str, str], *, life_s: int) -> None:
        self.given: list[str] = []
        self._secrets, self._life_s = secrets, life_s
        self._key = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        address = f"http://127.0.0.1:{self._server.server_port}"
        self.token_url, self.keys_url = f"{address}/token", f"{address}/jwks"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def token(self, subject: str) -> str:
        """Sign a token by RS256."""
        now_s = int(time.time())  # noqa: TID251  the broker compares it with the real clock
        claims = {"sub": subject, "aud": AUDIENCE, "iat": now_s, "exp": now_s + self._life_s}
        head = {"alg": "RS256", "typ": "JWT", "kid": KEY_ID}
        signed = ".".join(_base64(json.dumps(part).encode()) for part in (head, claims))
        return f"{signed}.{_base64(self._key.sign(signed.encode(), padding.PKCS1v15(), SHA256()))}"

    def answer_login(self, header: str) -> tuple[int, dict[str, Any]]:
        """Return status and answer to a client that logs in with ``Basic`` id and secret."""
        login = base64.b64decode(header.removeprefix("Basic ")).decode()
        client, _, secret = (urllib.parse.unquote_plus(part) for part in login.partition(":"))
        if self._secrets.get(client) != secret:
            return 401, {"error": "invalid_client"}
        self.given.append(client)
        token = self.token(client)
        return 200, {"access_token": token, "token_type": "Bearer", "expires_in": self._life_s}

    def keys(self) -> dict[str, Any]:
        """Return the public key as a set of keys (RFC 7517)."""
        public = self._key.public_key().public_numbers()
        n, e = (_base64(v.to_bytes((v.bit_length() + 7) // 8, "big")) for v in (public.n, public.e))
        return {
            "keys": [{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": KEY_ID, "n": n, "e": e}]
        }

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._write(200, provider.keys())

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self._write(*provider.answer_login(self.headers["Authorization"]))

            def log_message(self, *_: Any) -> None: ...

            def _write(self, status: int, answer: Mapping[str, Any]) -> None:
                body = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        return Handler


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
