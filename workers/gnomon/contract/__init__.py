"""The public contract as files: JSON Schemas, the AsyncAPI document, and what may change in them."""
