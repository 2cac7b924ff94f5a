"""Parsers, called directly."""
