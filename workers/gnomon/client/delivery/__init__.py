"""From the buffer to the broker, in one background thread: batches, retries, shared connections, forks."""
