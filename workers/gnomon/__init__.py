"""gnomon: learn about AI agents in the shadow of production.

``Client`` is what agents install; everything else is behind the ``gnomon`` command.
"""

from gnomon.client import Client

__all__ = ["Client", "__version__"]

__version__ = "0.1.0"
