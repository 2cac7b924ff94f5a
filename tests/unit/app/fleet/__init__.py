"""Fleets, without Ray."""
