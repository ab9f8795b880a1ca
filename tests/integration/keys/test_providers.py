"""One suite for every provider: a file, a variable, a real OpenBao; KMS of AWS by moto; Google and Azure by stubs."""

import base64
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from azure.core.exceptions import AzureError
from botocore.exceptions import BotoCoreError, ClientError
from google.api_core.exceptions import GoogleAPIError
from moto import mock_aws
from tests.support.decisions import MemoryRows
from tests.support.providers.stubs import AwsStub, AzureStub, GoogleStub
from tests.support.servers.openbao import ROOT, OpenBao, openbao
from tests.unit.vault.leaks import frames_of_gnomon, shows

from gnomon.broker.probe import free_port
from gnomon.errors import (
    ConfigurationError,
    KeyProviderUnavailableError,
    KeyUnavailableError,
    UnreadableError,
)
from gnomon.settings import Settings
from gnomon.vault import KeyRing
from gnomon.vault.providers.awskms import AwsKms
from gnomon.vault.providers.azurekv import AzureKeyVault
from gnomon.vault.providers.gcpkms import GcpKms
from gnomon.vault.providers.local import add_key, create_key_file, from_text
from gnomon.vault.providers.opening import open_provider, open_providers
from gnomon.vault.providers.transit import Access, VaultTransit
from gnomon.vault.wrapping import Binding, KeyProvider, Secret, Wrapped

SECRET = bytes(range(100, 132))
BINDING = Binding("gnomon-scope-key-v1", "ab" * 16, "tenant:acme")


@dataclass
class Case:
    """A provider, and what can be done to it from outside.

    ``again`` makes the provider as another process would; ``rotate`` gives it a newer key; ``down`` and
    ``disabled`` make it refuse, where there is a service that can.
    """

    again: Callable[[], KeyProvider]
    rotate: Callable[[], object] | None = None
    down: Callable[[], KeyProvider] | None = None
    disabled: Callable[[], KeyProvider] | None = None


@pytest.fixture(scope="session")
def bao() -> Iterator[OpenBao]:
    with openbao() as server:
        yield server


def _file(tmp_path: Path) -> Case:
    path = tmp_path / "kek.key"
    create_key_file(path)
    uri = f"file://{path}"
    return Case(lambda: open_provider(uri, Settings()), rotate=lambda: add_key(path))


def _env() -> Case:
    text = base64.b64encode(os.urandom(32)).decode()
    return Case(lambda: from_text(text, name="GNOMON_KEY"))


def _transit(server: OpenBao) -> Case:
    key = f"k-{os.urandom(4).hex()}"
    server.ask(f"transit/keys/{key}", type="aes256-gcm96")
    uri = f"vault+http://{server.address}/transit/{key}"

    def disabled() -> KeyProvider:
        server.ask("sys/policies/acl/nothing", policy='path "sys/health" {}')
        made = server.ask("auth/token/create", policies=["nothing"], no_default_policy=True)
        return VaultTransit(uri, Access(token=made["auth"]["client_token"]))

    return Case(
        lambda: open_provider(uri, Settings(vault_token=ROOT)),
        rotate=lambda: server.ask(f"transit/keys/{key}/rotate"),
        down=lambda: VaultTransit(
            f"vault+http://127.0.0.1:{free_port()}/transit/{key}", Access(token=ROOT)
        ),
        disabled=disabled,
    )


def _aws() -> Case:
    client = boto3.client("kms", region_name="eu-central-1")
    alias = "alias/gnomon"
    client.create_alias(AliasName=alias, TargetKeyId=client.create_key()["KeyMetadata"]["KeyId"])

    def rotate() -> None:
        newer = client.create_key()["KeyMetadata"]["KeyId"]
        client.update_alias(AliasName=alias, TargetKeyId=newer)

    errors = (BotoCoreError, ClientError)
    disabled = AwsStub("DisabledException", "arn:aws:kms:eu-central-1:1:key/2 is disabled.")
    down = boto3.client(
        "kms", region_name="eu-central-1", endpoint_url=f"http://127.0.0.1:{free_port()}"
    )
    return Case(
        lambda: AwsKms.at("awskms://alias/gnomon?region=eu-central-1"),
        rotate=rotate,
        down=lambda: AwsKms(alias, down, errors),
        disabled=lambda: AwsKms(alias, disabled, errors),
    )


def _google() -> Case:
    key = "projects/p/locations/europe/keyRings/r/cryptoKeys/gnomon"
    stub = GoogleStub(key)

    def made(name: str = "") -> KeyProvider:
        if name:
            setattr(stub, name, True)
        return GcpKms(key, stub, (GoogleAPIError,))

    return Case(made, stub.rotate, lambda: made("down"), lambda: made("disabled"))


def _azure() -> Case:
    stub = AzureStub("safe.vault.azure.net", "gnomon")

    def made(name: str = "") -> KeyProvider:
        if name:
            setattr(stub, name, True)
        return AzureKeyVault(
            "safe.vault.azure.net",
            "gnomon",
            newest=stub.newest,
            crypto=stub.crypto,
            errors=(AzureError,),
        )

    return Case(made, stub.rotate, lambda: made("down"), lambda: made("disabled"))


@pytest.fixture(params=["file", "env", "openbao", "aws", "google", "azure"])
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Case]:
    if request.param == "aws":
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AWS_ACCESS_KEY_ID", "x")
            patch.setenv("AWS_SECRET_ACCESS_KEY", "x")
            with mock_aws():
                yield _aws()
        return
    made: dict[str, Callable[[], Case]] = {
        "file": lambda: _file(tmp_path),
        "env": _env,
        "openbao": lambda: _transit(request.getfixturevalue("bao")),
        "google": _google,
        "azure": _azure,
    }
    yield made[request.param]()


def reason(provider: KeyProvider, wrapped: Wrapped, binding: Binding) -> str:
    with pytest.raises(UnreadableError) as refused:
        provider.unwrap(wrapped, binding)
    assert not shows(frames_of_gnomon(refused.value), SECRET)
    return refused.value.reason


def test_another_process_unwraps_what_one_has_wrapped(case: Case) -> None:
    wrapped = case.again().wrap(Secret(SECRET), BINDING)
    other = case.again()
    assert other.owns(wrapped.kek_id)
    assert other.is_current(wrapped.kek_id)
    assert other.unwrap(wrapped, BINDING).reveal() == SECRET
    assert SECRET not in wrapped.blob


@pytest.mark.parametrize("field", Binding._fields)
def test_a_key_opens_only_in_its_own_row(case: Case, field: str) -> None:
    provider = case.again()
    wrapped = provider.wrap(Secret(SECRET), BINDING)
    assert reason(provider, wrapped, BINDING._replace(**{field: "another"})) == "tampered"


def test_fields_cannot_be_shifted_into_one_another(case: Case) -> None:
    provider = case.again()
    wrapped = provider.wrap(Secret(SECRET), Binding("p", "ab", "c"))
    assert reason(provider, wrapped, Binding("p", "a", "bc")) == "tampered"


def test_a_changed_key_is_refused(case: Case) -> None:
    provider = case.again()
    kek_id, blob = provider.wrap(Secret(SECRET), BINDING)
    changed = [blob[:at] for at in (0, 1, 5, len(blob) // 2, len(blob) - 1)]
    # moto keeps the key's id in the first 36 bytes and takes a change there for another key.
    changed += [blob[:at] + bytes([blob[at] ^ 1]) + blob[at + 1 :] for at in (40, len(blob) - 3)]
    for each in changed:
        assert reason(provider, Wrapped(kek_id, each), BINDING) == "tampered"


def test_a_newer_key_wraps_and_the_older_still_unwraps(case: Case) -> None:
    if case.rotate is None:
        pytest.skip("it has no way to rotate")
    provider = case.again()
    old = provider.wrap(Secret(SECRET), BINDING)
    case.rotate()
    assert not provider.is_current(old.kek_id)
    new = provider.wrap(Secret(SECRET), BINDING)
    assert new.kek_id != old.kek_id
    for each in (provider, case.again()):
        assert each.is_current(new.kek_id)
        assert each.owns(old.kek_id)
        assert [each.unwrap(w, BINDING).reveal() for w in (old, new)] == [SECRET, SECRET]


def test_keys_of_others_are_not_its_own(case: Case) -> None:
    provider = case.again()
    assert not provider.owns("ff" * 16)
    assert not provider.owns("vault://elsewhere/transit/gnomon#v1")
    assert not provider.owns("")


@pytest.mark.parametrize("trouble", ["down", "disabled"])
def test_a_service_that_is_away_or_refuses_is_worth_a_retry_and_shows_nothing(
    case: Case, trouble: str
) -> None:
    make = getattr(case, trouble)
    if make is None:
        pytest.skip("there is no service that could be away")
    wrapped = case.again().wrap(Secret(SECRET), BINDING)
    provider = make()
    uses: list[Callable[[], object]] = [
        lambda: provider.wrap(Secret(SECRET), BINDING),
        lambda: provider.unwrap(Wrapped(kek_id_for(provider, wrapped), wrapped.blob), BINDING),
        lambda: provider.is_current(wrapped.kek_id),
    ]
    for use in uses:
        with pytest.raises(KeyProviderUnavailableError) as refused:
            use()
        shown = frames_of_gnomon(refused.value)
        assert not shows(shown, SECRET)
        assert ROOT not in shown
        assert refused.value.__context__ is None, "a report would show the frames of the library"
        assert "\n" not in str(refused.value)


def kek_id_for(provider: KeyProvider, wrapped: Wrapped) -> str:
    """The same version under the provider's own name: the one that is down has another port."""
    at = wrapped.kek_id.rfind("#v")
    return wrapped.kek_id if at < 0 else provider.name + wrapped.kek_id[at:]


def test_a_ring_works_with_it(case: Case) -> None:
    rows = MemoryRows()
    _, sealed = KeyRing(case.again(), rows).seal(b"plain", record_id="d", schema="s", scope="t")
    assert KeyRing(case.again(), rows).open(sealed, record_id="d", schema="s") == b"plain"


class Up:
    """A provider that can be switched off, as a key service is."""

    def __init__(self, provider: KeyProvider) -> None:
        self._provider, self.calls, self.down = provider, 0, False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._provider, name)

    def wrap(self, secret: Secret, binding: Binding) -> Wrapped:
        self._called()
        return self._provider.wrap(secret, binding)

    def unwrap(self, wrapped: Wrapped, binding: Binding) -> Secret:
        self._called()
        return self._provider.unwrap(wrapped, binding)

    def _called(self) -> None:
        self.calls += 1
        if self.down:
            raise KeyProviderUnavailableError("down")


def test_an_outage_is_bridged_for_two_hours_at_most_then_nothing_is_sealed() -> None:
    now_ms = 1_760_000_000_000
    hour_ms = 3_600_000
    provider = Up(from_text(base64.b64encode(SECRET).decode(), name="k"))
    ring = KeyRing(provider, MemoryRows(), clock_ms=lambda: now_ms)

    def seal(scope: str = "a") -> str:
        return ring.seal(b"plain", record_id="d", schema="s", scope=scope)[0]

    seal()
    provider.down = True
    now_ms += hour_ms + 1
    seal()  # another data key under the scope key that is still known
    now_ms += hour_ms
    with pytest.raises(KeyProviderUnavailableError):
        seal()
    with pytest.raises(KeyProviderUnavailableError):
        seal("b")
    provider.down = False
    assert len({seal(), seal("b")}) == 2


def test_one_scope_key_costs_one_call_however_many_records_there_are() -> None:
    provider = Up(from_text(base64.b64encode(SECRET).decode(), name="k"))
    rows = MemoryRows()
    ring = KeyRing(provider, rows)
    sealed = [ring.seal(b"x", record_id="d", schema="s", scope="a")[1] for _ in range(1_000)]
    assert provider.calls == 2  # wrapped once, unwrapped once
    reader = KeyRing(provider, rows)
    for record in sealed:
        reader.open(record, record_id="d", schema="s")
    assert provider.calls == 3


def test_retired_providers_still_unwrap(tmp_path: Path) -> None:
    for name in ("old", "new"):
        create_key_file(tmp_path / name)
    old = open_provider(f"file://{tmp_path}/old", Settings())
    wrapped = old.wrap(Secret(SECRET), BINDING)
    chain = open_providers(
        Settings(key_provider=f"file://{tmp_path}/new", key_retired=f"file://{tmp_path}/old")
    )
    assert chain.unwrap(wrapped, BINDING).reveal() == SECRET
    assert not chain.is_current(wrapped.kek_id)
    assert chain.wrap(Secret(SECRET), BINDING).kek_id == chain.id != old.id


@pytest.mark.parametrize(
    "uri",
    [
        "https://vault:8200/transit/k",
        "kms",
        "vault://vault:8200/transit",
        "vault://token@vault:8200/transit/k",
        "awskms://",
        "awskms://alias/x?profile=me",
        "gcpkms://projects/p",
        "azurekv://vault",
    ],
)
def test_a_malformed_uri_is_one_line(uri: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        open_provider(uri, Settings())
    assert "\n" not in str(refused.value)


def test_no_token_for_vault_says_how_to_give_one() -> None:
    provider = open_provider("vault://127.0.0.1:1/transit/k", Settings())
    with pytest.raises(KeyUnavailableError, match="VAULT_TOKEN"):
        provider.wrap(Secret(SECRET), BINDING)


def test_a_renewed_token_is_read_again(bao: OpenBao, tmp_path: Path) -> None:
    case = _transit(bao)
    name = case.again().name
    token = tmp_path / "token"
    token.write_text("expired\n")
    provider = VaultTransit(name, Access(token_file=str(token)))
    with pytest.raises(KeyProviderUnavailableError, match="403"):
        provider.wrap(Secret(SECRET), BINDING)
    token.write_text(ROOT + "\n")
    assert provider.wrap(Secret(SECRET), BINDING).blob.startswith(b"vault:v1:")


def test_an_unset_variable_is_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OTHER_KEY", raising=False)
    with pytest.raises(KeyUnavailableError, match="OTHER_KEY is not set"):
        open_provider("env://OTHER_KEY", Settings())
    monkeypatch.setenv("OTHER_KEY", base64.b64encode(SECRET).decode())
    assert open_provider("env://OTHER_KEY", Settings()).name == "OTHER_KEY"
