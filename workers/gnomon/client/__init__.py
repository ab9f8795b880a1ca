"""The client that agents install: it publishes their tasks to Kafka."""

from gnomon.client.client import Client
from gnomon.client.memory import MemoryClient
from gnomon.client.shadow_learner import ShadowLearner
from gnomon.client.signals import install_sigterm

__all__ = ["Client", "MemoryClient", "ShadowLearner", "install_sigterm"]
