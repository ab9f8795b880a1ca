"""An agent's settings may come from the file that workers use too; variables go before it."""

import logging
import subprocess
import sys
from pathlib import Path

import pytest

from gnomon.client import Client, config_file
from gnomon.client.config import FromEnv, arguments_from_env
from gnomon.connection import KafkaSecurity
from gnomon.settings import Settings
from gnomon.settings.settings import DECLARED
from gnomon.settings.variables import IN_FILES

SHARED = """
brokers = "kafka:9093"
topic_prefix = "p-"
kafka_security_protocol = "SASL_SSL"
kafka_sasl_mechanism = "PLAIN"
kafka_sasl_username = "ada"
kafka_sasl_password = "hunter2"
kafka_ssl_check_hostname = false
nice = 7
agent_id = "of-file"
tenant = "acme"
spool_dir = "/var/spool/gnomon"
spool_bytes = 1000000
"""


def written(folder: Path, text: str, *, mode: int = 0o640) -> dict[str, str]:
    path = folder / "gnomon.toml"
    path.write_text(text)
    path.chmod(mode)
    return {"GNOMON_CONFIG": str(path)}


def test_agents_and_workers_read_the_same_file(tmp_path: Path) -> None:
    environ = written(tmp_path, SHARED)
    security = KafkaSecurity(
        security_protocol="SASL_SSL",
        sasl_mechanism="PLAIN",
        sasl_username="ada",
        sasl_password="hunter2",  # noqa: S106  a secret of nothing
        ssl_check_hostname=False,
    )

    assert arguments_from_env(environ) == FromEnv(
        brokers="kafka:9093",
        topic_prefix="p-",
        agent_id="of-file",
        tenant="acme",
        spool_dir="/var/spool/gnomon",
        spool_bytes=1_000_000,
        security=security,
    )
    settings = Settings.load({}, Path(environ["GNOMON_CONFIG"]))
    assert (settings.kafka.security, settings.topic_prefix, settings.nice) == (security, "p-", 7)


def test_a_byte_order_mark_and_lists_of_others_do_not_matter(tmp_path: Path) -> None:
    environ = written(tmp_path, '\ufeffbrokers = "kafka:9093"\nothers = ["x"]\n')

    assert arguments_from_env(environ).brokers == "kafka:9093"


def test_a_variable_replaces_what_the_file_says(tmp_path: Path) -> None:
    environ = {**written(tmp_path, SHARED), "GNOMON_AGENT_ID": "of-variable", "GNOMON_TENANT": ""}
    found = arguments_from_env(environ)

    assert (found.agent_id, found.tenant, found.topic_prefix) == ("of-variable", "", "p-")


def test_who_is_disabled_reads_no_file(tmp_path: Path) -> None:
    gone = {"GNOMON_CONFIG": str(tmp_path / "gone"), "GNOMON_DISABLED": "1"}

    assert arguments_from_env(gone) == FromEnv()
    assert arguments_from_env(written(tmp_path, SHARED + "disabled = true\n")) == FromEnv()


@pytest.mark.parametrize(
    ("text", "mode", "said"),
    [
        (None, 0, "GNOMON_CONFIG: cannot read"),
        ("brokers =", 0o644, "is not TOML"),
        ("\xff", 0o644, "is not TOML"),
        (SHARED, 0o644, "contains 'kafka_sasl_password' and everyone may read it"),
        ('brokers = ["a:1", "b:1"]', 0o644, "gnomon.toml: brokers: expected text"),
        ("[kafka_ssl_cafile]\nx = 1", 0o644, "gnomon.toml: kafka_ssl_cafile: expected text"),
        ('brokers = "a:1"\nspool_bytes = 1.5', 0o644, "GNOMON_SPOOL_BYTES must be a whole number"),
    ],
)
def test_a_file_that_cannot_be_used_makes_a_client_that_does_nothing_and_one_line(
    tmp_path: Path, text: str | None, mode: int, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    environ = {"GNOMON_CONFIG": str(tmp_path / "gnomon.toml")}
    if text is not None:
        written(tmp_path, "", mode=mode)
        (tmp_path / "gnomon.toml").write_text(text, encoding="latin-1")
    with caplog.at_level(logging.DEBUG, logger="gnomon"):
        client = Client.from_env(environ)

    assert client.enabled is False
    (line,) = caplog.records
    assert said in line.getMessage()
    assert "hunter2" not in line.getMessage()


def test_the_keys_of_agents_are_known_to_commands_and_nearest_ones_are_named(
    tmp_path: Path,
) -> None:
    assert {"agent_id", "tenant", "spool_dir", "spool_bytes", "seal_to", "disabled"} == (
        IN_FILES - DECLARED.keys()
    )
    assert config_file._OF_AGENTS == IN_FILES
    environ = written(tmp_path, 'spool_dirr = "/x"')
    with pytest.raises(Exception, match="'spool_dirr' is no setting; did you mean spool_dir"):
        Settings.load({}, Path(environ["GNOMON_CONFIG"]))


def test_without_a_file_its_parser_is_not_imported() -> None:
    code = (
        "import sys; from gnomon import Client;"
        "Client.from_env({'GNOMON_BROKERS': '127.0.0.1:9', 'GNOMON_AGENT_ID': 'a'});"
        "assert 'tomllib' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)  # noqa: S603  our own code
