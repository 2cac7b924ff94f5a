"""Tests of `retrieval.lexical`."""
