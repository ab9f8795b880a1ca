"""Parts of ``gnomon vault``: listing, copying, and deleting by age."""
