"""One module for each revision; Alembic loads them."""
