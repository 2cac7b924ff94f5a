"""Backups: what they hold, what becomes of what was deleted, and what a kill leaves."""
