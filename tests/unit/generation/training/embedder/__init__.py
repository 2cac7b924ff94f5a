"""Tuning an embedding model of a few thousand weights on words that mean nothing."""
