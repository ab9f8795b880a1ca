"""Files on the local disk for events that cannot be delivered, read again by a later process."""
