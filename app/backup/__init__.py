"""Copies of everything that cannot be made again, taken while the service runs, and put back.

`taking.take_backup` and `restoring.restore` are the two stories; `folder` is where backups lie.
"""
