"""Generation on the real model file, beside transformers on the same weights."""
