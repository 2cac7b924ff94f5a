"""The lexical index: words to chunks. A cache of the rows, on disk; follows them, owns no truth."""
