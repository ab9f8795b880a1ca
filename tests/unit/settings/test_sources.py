"""A file of settings: above the defaults, below the variables, and refused where it is not understood."""

from pathlib import Path

import pytest

from gnomon.errors import ConfigurationError
from gnomon.settings import Settings
from gnomon.settings.settings import DECLARED
from gnomon.settings.sources import problems_of_variables


def written(folder: Path, text: str, *, mode: int = 0o644) -> Path:
    path = folder / "gnomon.toml"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_a_variable_replaces_what_the_file_says_and_the_file_the_default(tmp_path: Path) -> None:
    path = written(tmp_path, 'brokers = "of-file:1"\nmodel_poll_s = 2\nnice = 7\n')

    settings = Settings.load({"GNOMON_MODEL_POLL_S": "3"}, path)

    assert (settings.brokers, settings.model_poll_s, settings.nice) == ("of-file:1", 3.0, 7)
    assert settings.log_format == "plain"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('brokrs = "a:1"', "'brokrs' is no setting; did you mean brokers?"),
        ("[kafka]\nbrokers = 1", "'kafka' is no setting"),
        ("model_poll_s = 0", "model_poll_s: Expected `float` > 0"),
        ("brokers = 5", "brokers: Expected `str`, got `int`"),
        ("nice = true", "nice: Expected `int`"),
        ("brokers = \n", "is not TOML: Invalid value (at line 1"),
        (f"brokers = {'[' * 5000}", "is not TOML: maximum recursion"),
        (f"nice = {'9' * 5000}", "is not TOML: Exceeds the limit"),
        ('key = "c2VjcmV0"', "contains 'key' and everyone may read it: run chmod 640"),
    ],
)
def test_a_file_that_is_not_understood_is_refused_by_name(
    tmp_path: Path, text: str, said: str
) -> None:
    path = written(tmp_path, text)

    with pytest.raises(ConfigurationError) as raised:
        Settings.load({}, path)

    assert said in str(raised.value)
    assert "gnomon.toml" in str(raised.value)
    assert "c2VjcmV0" not in str(raised.value)


def test_a_file_that_others_cannot_read_may_contain_a_secret(tmp_path: Path) -> None:
    path = written(tmp_path, 'key = "c2VjcmV0"', mode=0o640)

    assert Settings.load({}, path).key == "c2VjcmV0"


def test_a_missing_file_and_one_of_bytes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"cannot read .*gone: No such file"):
        Settings.load({}, tmp_path / "gone")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match="bytes is not a text in UTF-8"):
        Settings.load({}, tmp_path / "bytes")


def test_an_unknown_variable_is_named_with_the_nearest_known_one() -> None:
    environ = {"GNOMON_BROKRS": "a:1", "GNOMON_SPOOL_DIR": "/x", "PATH": "/bin", "SENTRY_DSN": ""}

    assert problems_of_variables(DECLARED, environ) == [
        "GNOMON_BROKRS is no variable of gnomon; did you mean GNOMON_BROKERS?"
    ]


def test_the_variables_that_kubernetes_sets_beside_a_service_are_not_gnomons() -> None:
    """https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables."""
    names = (
        "GNOMON_SERVICE_HOST", "GNOMON_SERVICE_PORT", "GNOMON_SERVICE_PORT_HTTP", "GNOMON_PORT",
        "GNOMON_PORT_9100_TCP", "GNOMON_PORT_9100_TCP_PROTO", "GNOMON_PORT_9100_TCP_PORT",
        "GNOMON_PORT_9100_TCP_ADDR", "GNOMON_GATEWAY_SERVICE_HOST", "GNOMON_GATEWAY_PORT",
    )  # fmt: skip

    assert problems_of_variables(DECLARED, dict.fromkeys(names, "tcp://10.0.0.1:9100")) == []
