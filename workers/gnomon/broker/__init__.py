"""Apache Kafka on this machine, with nothing but pip."""
