"""Tests of learning from pairs of replies."""
