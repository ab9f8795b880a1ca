"""Batches out of Kafka and transactions into it: the only part that knows Faust's and aiokafka's inside."""
