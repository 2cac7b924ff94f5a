"""Model files: the real ones."""
