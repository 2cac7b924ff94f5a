"""Unit tests of generation: no weights, no network."""
