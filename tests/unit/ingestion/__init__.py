"""Ingestion: what a file becomes, and what can go wrong with it."""
