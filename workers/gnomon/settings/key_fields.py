"""The settings of keys and scopes: where the key-encryption key is, and what is sealed apart from what."""

from dataclasses import dataclass
from typing import Literal

from gnomon.settings.declaration import setting
from gnomon.settings.kafka_fields import KafkaFields


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFields(KafkaFields):
    """Each field describes itself."""

    key: str = setting(
        "",
        "Key-encryption key, base64 of 32 bytes; used instead of the key file if both are set.",
        secret=True,
    )
    key_file: str = setting(
        "",
        "File that holds the key-encryption key.",
        otherwise="`kek.key` in the data folder",
    )
    key_provider: str = setting(
        "",
        "Who holds the key-encryption key: `file://…`, `env://NAME`, `vault://…`, `awskms://…`, `gcpkms://…` or"
        " `azurekv://…` (docs/keys.md).",
        otherwise="`key`, or else `key_file`",
    )
    key_retired: str = setting(
        "",
        "Providers that held it before, separated by commas: they unwrap what they wrapped, until"
        " `gnomon keys rewrap` has been run.",
    )
    scope_by: Literal["none", "tenant", "agent"] = setting(
        "none",
        "Decisions of one tenant or agent get keys of their own, so that they alone can be shredded.",
    )
    scope_keys_url: str = setting(
        "",
        "Database of scope keys: `sqlite:///…` or `postgresql://…`. It must be another than the store if"
        " `scope_by` is not `none`, so that a backup of the store does not bring back a shredded key.",
        otherwise="the store",
    )
    require_reason: bool = setting(
        False,  # noqa: FBT003  a default
        "Whether commands that open single decisions must be given `--reason`.",
    )
    vault_token: str = setting(
        "", "Token for a `vault://` provider.", variable="VAULT_TOKEN", secret=True
    )
    vault_token_file: str = setting(
        "", "File with that token, read again for each request: an agent of Vault renews it."
    )
    vault_namespace: str = setting(
        "", "Namespace of a `vault://` provider.", variable="VAULT_NAMESPACE"
    )
    vault_cacert: str = setting(
        "",
        "PEM file with the authorities that a `vault://` provider's certificate may be of.",
        variable="VAULT_CACERT",
        otherwise="those of the system",
    )
