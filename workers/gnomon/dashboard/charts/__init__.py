"""Charts of what the pages show. They take plain data and know no page."""
