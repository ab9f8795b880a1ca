"""Revisions of the store's tables, and the upgrade of a store to the newest of them.

A revision is a module ``versions/r<number>_<what>.py`` for Alembic. Revisions form one line, in the order of
their numbers, and a released one is never changed. Alembic is imported only when a store is upgraded.
"""

from gnomon.store.migrations.revisions import HEAD, KNOWN, revision_of
from gnomon.store.migrations.upgrading import require_newest, upgrade

__all__ = ["HEAD", "KNOWN", "require_newest", "revision_of", "upgrade"]
