"""Tests of the security settings: what fits together, what is refused by name, what is never shown."""

import dataclasses
from pathlib import Path
from typing import Any

import confluent_kafka
import pytest

from gnomon.connection import KafkaConnection, KafkaSecurity
from gnomon.connection.librdkafka_settings import settings_of
from gnomon.errors import ConfigurationError
from gnomon.settings import Settings

PASSWORD = "correct horse"  # noqa: S105  a password of nothing
SCRAM = {"sasl_mechanism": "SCRAM-SHA-512", "sasl_username": "ada"}
OIDC = {
    "sasl_mechanism": "OAUTHBEARER",
    "oauth_token_url": "https://login.invalid/token",
    "oauth_client_id": "gnomon",
    "oauth_client_secret_file": "/run/secret",
}
SASL_SSL = {"security_protocol": "SASL_SSL"}


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"ssl_cafile": "ca.pem"}, "SSL_CAFILE"),
        ({"security_protocol": "SASL_PLAINTEXT", "ssl_certfile": "a"}, "SSL_CERTFILE"),
        ({"security_protocol": "SSL", "ssl_keyfile": "key.pem"}, "SSL_KEYFILE"),
        ({"security_protocol": "SSL", "ssl_key_password_file": "p"}, "SSL_KEY_PASSWORD_FILE"),
        (SASL_SSL, "SASL_MECHANISM"),
        ({"security_protocol": "SSL", **SCRAM, "sasl_password": "p"}, "SASL_MECHANISM"),
        ({"sasl_mechanism": "PLAIN"}, "SASL_MECHANISM"),
        ({"sasl_username": "ada"}, "SASL_USERNAME"),
        ({**SASL_SSL, **SCRAM}, "SASL_PASSWORD"),
        ({**SASL_SSL, **SCRAM, "sasl_password": "p", "sasl_password_file": "f"}, "SASL_PASSWORD"),
        ({**SASL_SSL, "sasl_mechanism": "PLAIN", "sasl_password": "p"}, "SASL_USERNAME"),
        ({**SASL_SSL, **SCRAM, "sasl_password": "p", "aws_region": "eu-west-1"}, "AWS_REGION"),
        ({**SASL_SSL, **SCRAM, "sasl_password": "p", "oauth_scope": "s"}, "OAUTH_SCOPE"),
        ({**SASL_SSL, **OIDC, "oauth_token_url": ""}, "OAUTH_TOKEN_URL"),
        ({**SASL_SSL, **OIDC, "oauth_token_url": "login.invalid"}, "OAUTH_TOKEN_URL"),
        ({**SASL_SSL, **OIDC, "oauth_token_url": "https:///token"}, "OAUTH_TOKEN_URL"),
        ({**SASL_SSL, **OIDC, "oauth_client_secret_file": ""}, "OAUTH_CLIENT_SECRET_FILE"),
        ({**SASL_SSL, **OIDC, "sasl_username": "ada"}, "SASL_USERNAME"),
        ({**SASL_SSL, "sasl_mechanism": "AWS_MSK_IAM"}, "AWS_REGION"),
        (
            {
                "security_protocol": "SASL_PLAINTEXT",
                "sasl_mechanism": "AWS_MSK_IAM",
                "aws_region": "eu-west-1",
            },
            "SECURITY_PROTOCOL",
        ),
    ],
)
def test_what_does_not_fit_is_refused_by_the_name_of_its_variable(
    given: dict[str, Any], named: str
) -> None:
    variables = {f"GNOMON_KAFKA_{name.upper()}": value for name, value in given.items()}

    with pytest.raises(ConfigurationError, match=f"^GNOMON_KAFKA_{named} "):
        KafkaSecurity.from_env(variables)
    with pytest.raises(ConfigurationError, match=f"^GNOMON_KAFKA_{named} "):
        Settings.from_env(variables)


@pytest.mark.parametrize("name", ["SECURITY_PROTOCOL", "SASL_MECHANISM", "SSL_CHECK_HOSTNAME"])
def test_a_value_that_cannot_be_is_refused_without_being_shown(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^GNOMON_KAFKA_{name} must be") as raised:
        KafkaSecurity.from_env({f"GNOMON_KAFKA_{name}": PASSWORD})

    assert PASSWORD not in str(raised.value)


@pytest.mark.parametrize("protocol", ["SASL_PLAINTEXT", "SASL_SSL"])
@pytest.mark.parametrize("login", [{**SCRAM, "sasl_password": PASSWORD}, OIDC])
def test_variables_are_passed_on_unchanged(protocol: str, login: dict[str, str]) -> None:
    given = {"security_protocol": protocol, **login, "ssl_check_hostname": "false"}
    variables = {f"GNOMON_KAFKA_{name.upper()}": value for name, value in given.items()}

    made = KafkaSecurity.from_env(variables)

    assert made.as_environ() == variables
    assert Settings.from_env(variables).kafka.security == made
    assert Settings.from_env(Settings.from_env(variables).as_environ()).kafka.security == made


def test_settings_have_every_field_of_the_security_with_its_default() -> None:
    of_settings = {
        f.name.removeprefix("kafka_"): f.default
        for f in dataclasses.fields(Settings)
        if f.name.startswith("kafka_")
    }

    assert of_settings == {f.name: f.default for f in dataclasses.fields(KafkaSecurity)}


def test_a_password_is_in_no_text() -> None:
    security = KafkaSecurity(**SASL_SSL, **SCRAM, sasl_password=PASSWORD)  # type: ignore[arg-type]
    connection = KafkaConnection("kafka:9093", security)
    settings = Settings.from_env(security.as_environ())

    for shown in (security, connection, settings, settings.kafka):
        assert PASSWORD not in repr(shown)
        assert PASSWORD not in str(shown)
    assert security.sasl_password == settings.kafka_sasl_password == PASSWORD


def test_a_child_gets_the_security_of_its_settings_alone() -> None:
    """A broker that lets everyone in needs no login, whatever the parent's variables say."""
    secured = KafkaSecurity(**SASL_SSL, **SCRAM, sasl_password=PASSWORD)  # type: ignore[arg-type]
    settings = Settings.from_env(secured.as_environ()).reaching(KafkaConnection("127.0.0.1:9092"))

    environ = settings.environ_of_child({"PATH": "/bin", **secured.as_environ()})

    assert environ["PATH"] == "/bin"
    assert KafkaSecurity.from_env(environ) == KafkaSecurity()
    assert PASSWORD not in environ.values()


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"security_protocol": "SSL"},
        {"security_protocol": "SSL", "ssl_check_hostname": False},
        {**SASL_SSL, **SCRAM, "sasl_password": PASSWORD},
        {"security_protocol": "SASL_PLAINTEXT", "sasl_mechanism": "PLAIN", "sasl_username": "u"},
        {**SASL_SSL, **OIDC, "oauth_scope": "kafka"},
        {**SASL_SSL, "sasl_mechanism": "AWS_MSK_IAM", "aws_region": "eu-west-1"},
    ],
)
def test_librdkafka_takes_the_settings(
    given: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library refuses a setting that it does not know, or a value that cannot be.

    It waits for a token of AWS, which its signer makes without asking anyone.
    """
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made up")
    secret = tmp_path / "secret"
    secret.write_text(f"{PASSWORD}\n")
    for name in ("sasl_username", "oauth_client_secret_file"):
        if name in given and "sasl_password" not in given:
            own = "sasl_password_file" if name == "sasl_username" else name
            given = {**given, own: str(secret)}

    settings = settings_of(KafkaConnection("127.0.0.1:9", KafkaSecurity(**given)))

    confluent_kafka.Producer({**settings, "log_level": 0})
    if "sasl.password" in settings:
        assert settings["sasl.password"] == PASSWORD


def test_a_password_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    missing = KafkaSecurity(**SASL_SSL, **SCRAM, sasl_password_file=str(tmp_path / "p"))  # type: ignore[arg-type]

    with pytest.raises(ConfigurationError, match=r"^GNOMON_KAFKA_SASL_PASSWORD_FILE: .*/p cannot"):
        settings_of(KafkaConnection("127.0.0.1:9", missing))


def test_every_setting_has_a_row_in_the_docs() -> None:
    text = (Path(__file__).parents[3] / "docs" / "security.md").read_text(encoding="utf-8")
    rows = "\n".join(line for line in text.splitlines() if line.startswith("| `GNOMON_KAFKA_"))

    for field in dataclasses.fields(KafkaSecurity):
        assert f"`GNOMON_KAFKA_{field.name.upper()}`" in rows
