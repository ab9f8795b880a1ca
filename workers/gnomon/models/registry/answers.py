"""Calls MLflow and distinguishes its failures: missing, already there, unavailable."""

import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

import sqlalchemy.exc
from mlflow.exceptions import MlflowException

from gnomon.errors import RegistryUnavailableError

_LOCKED_WAITS_S: Final = (0.05, 0.1, 0.2, 0.4, 0.8)
"""Waits in addition to the 20 s that SQLite waits; MLflow reports some conflicts without waiting."""

_STORAGE_CLIENTS: Final = frozenset({"azure", "boto3", "botocore", "google", "s3transfer"})
"""Packages of storage services with error classes of their own; MLflow imports them only when needed."""

_T = TypeVar("_T")


class MissingError(Exception):
    """The registry answers that the model, version or file does not exist."""


class ExistsError(Exception):
    """The registry answers that the model or experiment exists already."""


class LockedError(RegistryUnavailableError):
    """SQLite is locked by another process for a moment."""


def answer(ask: Callable[[], _T]) -> _T:
    """Return what ``ask`` returns; ask again while SQLite is locked.

    Raises:
        MissingError: The requested object does not exist.
        ExistsError: The object to create exists already.
        RegistryUnavailableError: The registry, its files or the disk cannot be used for now.
    """
    for wait_s in _LOCKED_WAITS_S:
        try:
            return _asked(ask)
        except LockedError:
            time.sleep(wait_s)
    return _asked(ask)


def _asked(ask: Callable[[], _T]) -> _T:
    try:
        return ask()
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            raise MissingError(str(error)) from error
        if error.error_code == "RESOURCE_ALREADY_EXISTS":
            raise ExistsError(str(error)) from error
        kind = LockedError if "database is locked" in str(error) else RegistryUnavailableError
        raise kind(_first_line(error)) from error
    except FileNotFoundError as error:
        raise MissingError(str(error)) from error
    except (sqlalchemy.exc.SQLAlchemyError, OSError) as error:  # those of requests are OSErrors
        raise RegistryUnavailableError(_first_line(error)) from error
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in _STORAGE_CLIENTS:
            raise
        raise RegistryUnavailableError(_first_line(error)) from error


@contextmanager
def without_warnings() -> Iterator[None]:
    """Silence the warnings that MLflow raises about its own code when parts of it are imported."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
