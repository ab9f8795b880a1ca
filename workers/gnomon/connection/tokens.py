"""Access tokens for ``OAUTHBEARER``: by OIDC client credentials, or by the keys of AWS."""

import asyncio
import base64
import importlib
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from typing import Final, NamedTuple

from gnomon.connection.kafka_security import KafkaSecurity, setting
from gnomon.connection.secret_files import read_secret
from gnomon.errors import ConfigurationError, MissingExtraError

TIMEOUT_S: Final = 10.0
USED_PART: Final = 0.8
"""A token is replaced after this part of its life."""
_DEFAULT_LIFE_S: Final = 300.0
_LARGEST_BYTES: Final = 1 << 20


class Token(NamedTuple):
    """An access token and how long it is valid, in seconds from now."""

    text: str
    life_s: float


class TokenError(OSError):
    """No token could be had. A Kafka client takes it for a failed connection, and tries again."""


def fetch_token(security: KafkaSecurity) -> Token:
    """Ask for a token; blocks for at most ``TIMEOUT_S`` per step.

    Raises:
        TokenError: The identity provider refuses, does not answer, or answers something else.
        MissingExtraError: The signer of AWS is not installed.
    """
    if security.sasl_mechanism == "AWS_MSK_IAM":
        return _sign_for_aws(security.aws_region)
    form = {"grant_type": "client_credentials", "scope": security.oauth_scope}
    try:
        secret = read_secret(security, "oauth_client_secret_file")
    except ConfigurationError as error:
        raise TokenError(str(error)) from error
    # RFC 6749, 2.3.1: id and secret are form-encoded before they are joined.
    login = ":".join(map(urllib.parse.quote_plus, (security.oauth_client_id, secret)))
    request = urllib.request.Request(  # noqa: S310  KafkaSecurity admits https and http only
        security.oauth_token_url,
        data=urllib.parse.urlencode({k: v for k, v in form.items() if v}).encode(),
        headers={"Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"},
    )
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310  as above
            return _parse(answer.read(_LARGEST_BYTES))
    except urllib.error.HTTPError as error:
        error.close()
        raise _no_token(security, f"it refuses with HTTP {error.code}") from None
    except OSError as error:
        raise _no_token(security, str(getattr(error, "reason", error))) from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise _no_token(security, "its answer is no token") from None


def _parse(answer: bytes) -> Token:
    found = json.loads(answer)
    life_s = float(found.get("expires_in", _DEFAULT_LIFE_S))
    token = found["access_token"]
    if not isinstance(token, str) or not token:
        raise ValueError
    return Token(token, life_s)


def _no_token(security: KafkaSecurity, why: str) -> TokenError:
    return TokenError(f"{setting('oauth_token_url')} {security.oauth_token_url}: {why}")


def _sign_for_aws(region: str) -> Token:
    try:
        signer = importlib.import_module("aws_msk_iam_sasl_signer.MSKAuthTokenProvider")
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"{setting('sasl_mechanism')} AWS_MSK_IAM", module=str(error.name), extra="msk"
        ) from error
    try:
        text, expires_ms = signer.generate_auth_token(region)
    except Exception as error:  # botocore has dozens of errors, with no common meaning
        raise TokenError(f"AWS gives no token: {type(error).__name__}: {error}") from error
    return Token(text, expires_ms / 1000 - time.time_ns() / 1e9)


class TokenCache:
    """Keeps a token until it is near its end. Used from one event loop.

    Args:
        security: Says where tokens come from.
        clock_s: Monotonic seconds.
    """

    def __init__(
        self, security: KafkaSecurity, *, clock_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._security, self._clock_s = security, clock_s
        self._token = ""
        self._until_s = float("-inf")
        self._lock = asyncio.Lock()

    async def token(self) -> str:
        """Return a token that is valid; a thread fetches a new one when the last is near its end.

        Raises:
            TokenError: None could be had.
        """
        async with self._lock:
            if self._clock_s() >= self._until_s:
                token = await asyncio.to_thread(fetch_token, self._security)
                self._token, self._until_s = (
                    token.text,
                    self._clock_s() + USED_PART * token.life_s,
                )
            return self._token
