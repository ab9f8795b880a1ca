"""Makes PEM certificates on the spot: an authority, and what it signs."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_DAYS: Final = 3650
CLOCK_SKEW: Final = timedelta(minutes=5)
"""A certificate is valid from a moment before it is made: clocks differ."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate and its private key, as PEM.

    Attributes:
        certificate: The certificate.
        key: Its private key, PKCS #8 without a password.
    """

    certificate: bytes
    key: bytes

    def __repr__(self) -> str:
        """Leave the key out."""
        return "Certificate(…)"


class Authority:
    """Signs certificates.

    Args:
        name: Common name.
        key: Its private key.
        pem: Its own certificate, as PEM.
    """

    def __init__(self, name: str, key: ec.EllipticCurvePrivateKey, pem: bytes) -> None:
        self._name, self._key, self.pem = _named(name), key, pem

    @classmethod
    def make(cls, name: str, *, now: datetime) -> Self:
        """Return a new authority, which nobody knows yet."""
        key = ec.generate_private_key(ec.SECP256R1())
        usage = x509.KeyUsage(
            digital_signature=True,
            key_cert_sign=True,
            crl_sign=True,
            **dict.fromkeys(
                (
                    "content_commitment",
                    "key_encipherment",
                    "data_encipherment",
                    "key_agreement",
                    "encipher_only",
                    "decipher_only",
                ),
                False,
            ),
        )
        signed = (
            _builder(_named(name), key, now=now, until=now + timedelta(days=AUTHORITY_DAYS))
            .issuer_name(_named(name))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .sign(key, hashes.SHA256())
        )
        return cls(name, key, signed.public_bytes(serialization.Encoding.PEM))

    def issue(
        self, name: str, *, now: datetime, valid: timedelta, hosts: Sequence[str] = ()
    ) -> Certificate:
        """Sign a certificate for a server, a client, or both.

        Args:
            name: Common name, which Kafka takes for the name of the user.
            now: Its validity begins a moment before.
            valid: For how long after ``now``; negative for one that has expired.
            hosts: Names and addresses of a server.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        both = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        begin = min(now, now + valid - CLOCK_SKEW)
        builder = (
            _builder(_named(name), key, now=begin, until=now + valid)
            .issuer_name(self._name)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage(both), critical=False)
        )
        if hosts:
            names = x509.SubjectAlternativeName([_host(host) for host in hosts])
            builder = builder.add_extension(names, critical=False)
        signed = builder.sign(self._key, hashes.SHA256())
        return Certificate(signed.public_bytes(serialization.Encoding.PEM), _pem(key))


def ends_at(pem: bytes) -> datetime:
    """Return when the first certificate in ``pem`` ends."""
    return x509.load_pem_x509_certificate(pem).not_valid_after_utc


def _builder(
    subject: x509.Name, key: ec.EllipticCurvePrivateKey, *, now: datetime, until: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(until)
    )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
