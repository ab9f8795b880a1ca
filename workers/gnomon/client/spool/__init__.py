"""Files on the local disk for events that could not be delivered; a later process sends them."""
