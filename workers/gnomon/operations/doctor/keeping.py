"""Checks of what is kept: the key that seals decisions, the store, the model registry."""

from collections.abc import Iterable

from gnomon.errors import (
    ConfigurationError,
    KeyUnavailableError,
    RegistryUnavailableError,
    StoreUnavailableError,
)
from gnomon.operations.doctor.findings import Finding, note, ok, problem
from gnomon.settings import Settings


def key(settings: Settings) -> Iterable[Finding]:
    """Look whether there is a key that may be used."""
    from gnomon.vault import load_key  # noqa: PLC0415  brings cryptography

    place = "GNOMON_KEY" if settings.key else settings.key_file
    try:
        found = load_key(settings)
    except KeyUnavailableError as error:
        yield problem(
            str(error).partition("\n")[0],
            "gnomon keys init makes one; of a store that has decisions, restore its own",
        )
    else:
        yield ok(f"key {found.id} from {place}")


def store(settings: Settings) -> Iterable[Finding]:
    """Look whether the store answers, and whether the key opens it."""
    from gnomon.store import DecisionStore  # noqa: PLC0415  brings SQLAlchemy
    from gnomon.vault import KeyRing, check_key, load_key  # noqa: PLC0415

    opened = DecisionStore(settings.store_url)
    try:
        if not opened.exists():
            yield ok(f"store {opened.name}: the vault stage makes it at its first start")
            return
        opened.check()
        if opened.canary.get() is None:
            yield ok(f"store {opened.name}: no decision yet")
            return
        check_key(KeyRing(load_key(settings), opened.keys), opened.canary)
        yield ok(f"store {opened.name}: {opened.count()} decisions, and the key opens it")
    except KeyUnavailableError as error:
        yield problem(
            f"store {opened.name}: {str(error).partition(chr(10))[0]}",
            "set GNOMON_KEY or GNOMON_KEY_FILE to the key of this store",
        )
    except StoreUnavailableError as error:
        yield problem(str(error), "start the database, or correct GNOMON_STORE_URL")
    except ConfigurationError as error:
        yield problem(str(error), "do what the message says")
    finally:
        opened.close()


def registry(settings: Settings) -> Iterable[Finding]:
    """Look whether the model registry answers, and what is live."""
    from gnomon.models.registry.reading import open_reader  # noqa: PLC0415

    try:
        reader = open_reader(uri=settings.mlflow_uri, model_name=settings.model_name)
        versions, live = reader.versions(), reader.live()
    except RegistryUnavailableError as error:
        yield problem(f"the model registry: {error}", "start MLflow, or correct GNOMON_MLFLOW_URI")
        return
    if not versions:
        yield ok(f"no version of {settings.model_name} yet: gnomon learn or gnomon train makes one")
    elif not live:
        yield note(
            f"none of {len(versions)} versions of {settings.model_name} is live",
            "gnomon models promote VERSION --alias challenger",
        )
    else:
        named = ", ".join(f"{each.version} ({', '.join(each.aliases)})" for each in live)
        yield ok(f"{len(versions)} versions of {settings.model_name}; live: {named}")
