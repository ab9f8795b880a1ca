"""A symmetric key of Google Cloud KMS, through google-cloud-kms (``gnomon[gcpkms]``).

The binding is the additional authenticated data. Google names the version that encrypts, which is part of the key id.
"""

import re
from typing import Any, Final, Self

from gnomon.errors import ConfigurationError, MissingExtraError
from gnomon.vault.providers.calling import Failure, attempt, tampered, unavailable, whole
from gnomon.vault.wrapping import Binding, Secret, Wrapped

_FORM: Final = "gcpkms://"
_KEY: Final = re.compile(r"projects/[\w:.-]+/locations/[\w-]+/keyRings/[\w-]+/cryptoKeys/[\w-]+")
_DOES_NOT_OPEN: Final = "InvalidArgument"
TIMEOUT_S: Final = 5.0


class GcpKms:
    """A key of Cloud KMS.

    Args:
        key: ``projects/P/locations/L/keyRings/R/cryptoKeys/K``.
        client: ``KeyManagementServiceClient``.
        errors: Base classes of what the client raises.
    """

    def __init__(self, key: str, client: Any, errors: tuple[type[Exception], ...]) -> None:
        self._key, self._client, self._errors = key, client, errors

    @classmethod
    def at(cls, uri: str) -> Self:
        """Return the key that ``uri`` names.

        Raises:
            ConfigurationError: ``uri`` is malformed, or there are no credentials.
            MissingExtraError: google-cloud-kms is not installed.
        """
        key = uri.removeprefix(_FORM)
        if _KEY.fullmatch(key) is None:
            raise ConfigurationError(
                f"expected gcpkms://projects/P/locations/L/keyRings/R/cryptoKeys/K: {uri!r}"
            )
        try:
            from google.api_core.exceptions import GoogleAPIError  # noqa: PLC0415
            from google.auth.exceptions import GoogleAuthError  # noqa: PLC0415
            from google.cloud import kms  # noqa: PLC0415  only where it is asked for
        except ModuleNotFoundError as error:
            raise MissingExtraError(
                "a gcpkms:// provider", module=str(error.name), extra="gcpkms"
            ) from error
        try:
            client = kms.KeyManagementServiceClient()
        except GoogleAuthError as error:
            raise ConfigurationError(f"{uri}: {error}") from error
        return cls(key, client, (GoogleAPIError, GoogleAuthError))

    def __repr__(self) -> str:
        return f"GcpKms({self._key})"

    @property
    def id(self) -> str:
        """The key without its version."""
        return f"{_FORM}{self._key}"

    @property
    def name(self) -> str:
        """The key without its version."""
        return self.id

    def owns(self, kek_id: str) -> bool:
        """Return whether ``kek_id`` is a version of this key."""
        return kek_id.startswith(f"{_FORM}{self._key}/")

    def is_current(self, kek_id: str) -> bool:
        """Return whether ``kek_id`` is the primary version."""
        answer = attempt(
            lambda: self._client.get_crypto_key(request={"name": self._key}, timeout=TIMEOUT_S),
            self._errors,
        )
        if isinstance(answer, Failure):
            raise unavailable(self.name, answer)
        return kek_id == f"{_FORM}{answer.primary.name}"

    def wrap(self, secret: Secret, binding: Binding) -> Wrapped:
        """Have Cloud KMS encrypt the key."""
        answer = attempt(
            lambda: self._client.encrypt(
                request={
                    "name": self._key,
                    "plaintext": secret.reveal(),
                    "additional_authenticated_data": binding.encoded(),
                },
                timeout=TIMEOUT_S,
            ),
            self._errors,
        )
        if isinstance(answer, Failure):
            raise unavailable(self.name, answer)
        return Wrapped(f"{_FORM}{answer.name}", bytes(answer.ciphertext))

    def unwrap(self, wrapped: Wrapped, binding: Binding) -> Secret:
        """Have Cloud KMS decrypt the key."""
        answer = attempt(
            lambda: Secret(
                self._client.decrypt(
                    request={
                        "name": self._key,
                        "ciphertext": wrapped.blob,
                        "additional_authenticated_data": binding.encoded(),
                    },
                    timeout=TIMEOUT_S,
                ).plaintext
            ),
            self._errors,
        )
        if isinstance(answer, Failure):
            if answer.kind == _DOES_NOT_OPEN:
                raise tampered(binding.id)
            raise unavailable(self.name, answer)
        return whole(answer, binding.id)
