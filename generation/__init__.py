"""Passages and a question become a cited answer. Knows no HTTP, no database and no index.

`generation.engine` turns token ids into token ids; `generation.tokenizer` is the border between
text and ids; `generation.local_model` loads both from a GGUF file or a folder.
"""
