"""Ingestion over real processes: parsers in their sandbox, workers that are killed."""
