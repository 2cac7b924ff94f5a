"""Tests are sentences about behaviour."""
