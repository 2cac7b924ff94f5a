"""The ground, against real files."""
