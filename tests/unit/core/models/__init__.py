"""Model files: tiny catalogues, no weights."""
