"""Tests over real files, processes and weights."""
