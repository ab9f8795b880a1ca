"""Settings of a gnomon process: declared once, read from a file and ``GNOMON_*`` variables, passed on as arguments."""

from gnomon.settings.declaration import PREFIX
from gnomon.settings.kafka_fields import DEFAULT_BROKERS
from gnomon.settings.settings import Settings

__all__ = ["DEFAULT_BROKERS", "PREFIX", "Settings"]
