"""From the buffer to the broker: the bounded buffer, the loop that empties it, the Kafka producer."""
