"""What agents install."""

from gnomon.client.client import Client

__all__ = ["Client"]
