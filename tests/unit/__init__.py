"""Fast tests: no weights, no network."""
