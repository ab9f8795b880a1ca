"""Stand-ins for the client libraries of key services: what they return and raise is theirs, the server is not.

They are no servers of Google, Azure or AWS and prove nothing about those: only that gnomon uses the libraries
as their documentation says, and what it makes of their errors.
"""

import os
from types import SimpleNamespace
from typing import Any

from azure.core.exceptions import HttpResponseError, ServiceRequestError
from botocore.exceptions import ClientError
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from google.api_core.exceptions import (
    FailedPrecondition,
    InvalidArgument,
    ServiceUnavailable,
)

_OAEP = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)


class GoogleStub:
    """``KeyManagementServiceClient`` with one key, whose versions are AES-GCM keys in memory."""

    def __init__(self, key: str) -> None:
        self.key, self.versions = key, [AESGCM(os.urandom(32))]
        self.down = self.disabled = False

    def rotate(self) -> None:
        self.versions.append(AESGCM(os.urandom(32)))

    def get_crypto_key(self, *, request: dict[str, Any], timeout: float) -> Any:
        self._check(request, timeout)
        return SimpleNamespace(primary=SimpleNamespace(name=self._version(len(self.versions))))

    def encrypt(self, *, request: dict[str, Any], timeout: float) -> Any:
        self._check(request, timeout)
        nonce, version = os.urandom(12), len(self.versions)
        sealed = self.versions[-1].encrypt(
            nonce, request["plaintext"], request["additional_authenticated_data"]
        )
        return SimpleNamespace(
            name=self._version(version), ciphertext=bytes([version]) + nonce + sealed
        )

    def decrypt(self, *, request: dict[str, Any], timeout: float) -> Any:
        self._check(request, timeout)
        text, about = request["ciphertext"], request["additional_authenticated_data"]
        try:
            cipher = self.versions[range(1, len(self.versions) + 1).index(text[0])]
            return SimpleNamespace(plaintext=cipher.decrypt(text[1:13], text[13:], about))
        except (InvalidTag, IndexError, ValueError):
            raise _google_error(InvalidArgument, "Decryption failed: invalid ciphertext.") from None

    def _version(self, number: int) -> str:
        return f"{self.key}/cryptoKeyVersions/{number}"

    def _check(self, request: dict[str, Any], timeout: float) -> None:
        assert timeout <= 5
        assert request["name"] == self.key
        if self.down:
            raise _google_error(ServiceUnavailable, "failed to connect to all addresses")
        if self.disabled:
            raise _google_error(FailedPrecondition, f"{self._version(1)} is not enabled.")


def _google_error(kind: Any, message: str) -> Exception:
    error: Exception = kind(message)
    return error


class AzureStub:
    """``KeyClient`` and ``CryptographyClient`` with one RSA key of several versions in memory."""

    def __init__(self, vault: str, key: str) -> None:
        self._base = f"https://{vault}/keys/{key}/"
        self.versions: dict[str, rsa.RSAPrivateKey] = {}
        self.down = self.disabled = False
        self.rotate()

    def rotate(self) -> None:
        self.newest_id = self._base + os.urandom(16).hex()
        self.versions[self.newest_id] = rsa.generate_private_key(65_537, 2_048)

    def newest(self) -> str:
        self._check()
        return self.newest_id

    def crypto(self, version: str) -> "_AzureCrypto":
        return _AzureCrypto(self, version)

    def _check(self) -> None:
        if self.down:
            raise ServiceRequestError("Failed to establish a new connection")
        if self.disabled:
            raise _azure_error("Forbidden", "Operation wrapKey is not allowed on a disabled key.")


class _AzureCrypto:
    def __init__(self, stub: AzureStub, version: str) -> None:
        self._stub, self._version = stub, version

    def wrap_key(self, algorithm: str, key: bytes) -> Any:
        self._stub._check()
        assert algorithm == "RSA-OAEP-256"
        public = self._stub.versions[self._version].public_key()
        return SimpleNamespace(key_id=self._version, encrypted_key=public.encrypt(key, _OAEP))

    def unwrap_key(self, algorithm: str, encrypted_key: bytes) -> Any:
        self._stub._check()
        assert algorithm == "RSA-OAEP-256"
        if self._version not in self._stub.versions:
            raise _azure_error("KeyNotFound", "A key with this name and version was not found.")
        try:
            plain = self._stub.versions[self._version].decrypt(encrypted_key, _OAEP)
        except ValueError:
            raise _azure_error("BadParameter", "The parameter is incorrect.") from None
        return SimpleNamespace(key=plain)


def _azure_error(code: str, message: str) -> HttpResponseError:
    error: Any = HttpResponseError(message)
    error.error = SimpleNamespace(code=code, message=message)
    made: HttpResponseError = error
    return made


class AwsStub:
    """boto3's KMS client where moto cannot stand in: it decrypts with a disabled key, a real KMS refuses."""

    def __init__(self, code: str, message: str) -> None:
        self._error = {"Error": {"Code": code, "Message": message}}

    def encrypt(self, **given: object) -> Any:
        raise ClientError(self._error, "Encrypt")

    def decrypt(self, **given: object) -> Any:
        raise ClientError(self._error, "Decrypt")

    def describe_key(self, **given: object) -> Any:
        raise ClientError(self._error, "DescribeKey")
