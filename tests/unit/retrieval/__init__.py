"""Retrieval, over a real database and real segments with a fake embedder."""
