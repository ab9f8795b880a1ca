"""``gnomon gateway``: task events and OTLP traces over HTTP, for agents without a Kafka client."""
