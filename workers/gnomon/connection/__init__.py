"""How to reach Kafka: one frozen value, from which every Kafka client of the package is made.

``aiokafka_clients`` and ``librdkafka_settings`` turn it into the clients of the two libraries. Importing
this package brings neither of them, so that agents may import it.
"""

from gnomon.connection.kafka_connection import KafkaConnection
from gnomon.connection.kafka_security import NO_SECURITY, KafkaSecurity

__all__ = ["NO_SECURITY", "KafkaConnection", "KafkaSecurity"]
