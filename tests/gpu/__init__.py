"""The engine's test ladder on a real card; skipped where there is none.

Nothing here needs more than torch, numpy and pytest, so that it runs on a bare machine
(docs/how-to/gpu.md has the command).
"""
