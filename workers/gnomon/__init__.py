"""gnomon: learn about AI agents in the shadow of production.

``Client`` is what agents install; everything else is behind the ``gnomon`` command.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gnomon.client import Client, MemoryClient, ShadowLearner, install_sigterm
    from gnomon.connection import KafkaSecurity

__all__ = [
    "Client",
    "KafkaSecurity",
    "MemoryClient",
    "ShadowLearner",
    "__version__",
    "install_sigterm",
]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Import the client when an agent asks for it: a command or a worker does not need it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from gnomon import client, connection  # noqa: PLC0415

    return getattr(connection if name == "KafkaSecurity" else client, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
