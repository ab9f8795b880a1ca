"""A symmetric key of AWS KMS, through boto3 (``gnomon[awskms]``).

The binding is KMS's encryption context, which CloudTrail shows with each call. Credentials and region are those
that boto3 finds. KMS rotates the material of a key itself and keeps the old one, so a rewrap is needed only when
another key is configured.
"""

import re
from typing import Any, Final, Self
from urllib.parse import parse_qsl

from gnomon.errors import ConfigurationError, MissingExtraError
from gnomon.vault.providers.calling import Failure, attempt, tampered, unavailable, whole
from gnomon.vault.wrapping import Binding, Secret, Wrapped

_FORM: Final = "awskms://"
_URI: Final = re.compile(r"awskms://([A-Za-z0-9:/_-]+)(?:\?(.*))?")
_OPTIONS: Final = {"region": "region_name", "endpoint": "endpoint_url"}
_DOES_NOT_OPEN: Final = {"InvalidCiphertextException", "IncorrectKeyException"}


class AwsKms:
    """A key of KMS.

    Args:
        key: Its id, ARN or ``alias/…``.
        client: boto3's KMS client.
        errors: Base classes of what the client raises.
    """

    def __init__(self, key: str, client: Any, errors: tuple[type[Exception], ...]) -> None:
        self._key, self._client, self._errors = key, client, errors

    @classmethod
    def at(cls, uri: str) -> Self:
        """Return the key that ``uri`` names: ``awskms://KEY``, with ``?region=…&endpoint=…``.

        Raises:
            ConfigurationError: ``uri`` is malformed, or boto3 finds no region.
            MissingExtraError: boto3 is not installed.
        """
        match = _URI.fullmatch(uri)
        options = dict(parse_qsl(match[2] or "")) if match else {}
        if match is None or not options.keys() <= _OPTIONS.keys():
            raise ConfigurationError(
                f"expected awskms://KEY, an id, ARN or alias/NAME, with ?region=… or &endpoint=…: {uri!r}"
            )
        try:
            import boto3  # noqa: PLC0415  only where it is asked for
            from botocore.config import Config  # noqa: PLC0415
            from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415
        except ModuleNotFoundError as error:
            raise MissingExtraError(
                "an awskms:// provider", module=str(error.name), extra="awskms"
            ) from error
        try:
            client = boto3.client(
                "kms",
                config=Config(connect_timeout=5, read_timeout=5, retries={"total_max_attempts": 2}),
                **{_OPTIONS[name]: value for name, value in options.items()},
            )
        except (BotoCoreError, ValueError) as error:
            raise ConfigurationError(f"{uri}: {error}") from error
        return cls(match[1], client, (BotoCoreError, ClientError))

    def __repr__(self) -> str:
        return f"AwsKms({self._key})"

    @property
    def id(self) -> str:
        """The key as it was configured."""
        return f"{_FORM}{self._key}"

    @property
    def name(self) -> str:
        """The key as it was configured."""
        return self.id

    def owns(self, kek_id: str) -> bool:
        """Return whether ``kek_id`` is a key of KMS: its own service knows which one."""
        return kek_id.startswith(_FORM)

    def is_current(self, kek_id: str) -> bool:
        """Return whether ``kek_id`` is the key that is configured, an alias resolved."""
        answer = attempt(lambda: self._client.describe_key(KeyId=self._key), self._errors, _code)
        if isinstance(answer, Failure):
            raise unavailable(self.name, answer)
        return kek_id == f"{_FORM}{answer['KeyMetadata']['Arn']}"

    def wrap(self, secret: Secret, binding: Binding) -> Wrapped:
        """Have KMS encrypt the key."""
        answer = attempt(
            lambda: self._client.encrypt(
                KeyId=self._key, Plaintext=secret.reveal(), EncryptionContext=_context(binding)
            ),
            self._errors,
            _code,
        )
        if isinstance(answer, Failure):
            raise unavailable(self.name, answer)
        return Wrapped(f"{_FORM}{answer['KeyId']}", bytes(answer["CiphertextBlob"]))

    def unwrap(self, wrapped: Wrapped, binding: Binding) -> Secret:
        """Have KMS decrypt the key."""
        answer = attempt(
            lambda: Secret(
                self._client.decrypt(
                    KeyId=wrapped.kek_id.removeprefix(_FORM),
                    CiphertextBlob=wrapped.blob,
                    EncryptionContext=_context(binding),
                )["Plaintext"]
            ),
            self._errors,
            _code,
        )
        if isinstance(answer, Failure):
            if answer.kind in _DOES_NOT_OPEN or not wrapped.blob:
                raise tampered(binding.id)
            raise unavailable(self.name, answer)
        return whole(answer, binding.id)


def _context(binding: Binding) -> dict[str, str]:
    return binding._asdict()


def _code(error: Exception) -> str:
    response = getattr(error, "response", None)
    return str(response["Error"]["Code"]) if response else type(error).__name__
