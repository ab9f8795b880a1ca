"""gnomon: learn about AI agents in the shadow of production.

``Client`` is what agents install; everything else is behind the ``gnomon`` command.
"""

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
