"""`python -m app.cli`: the same as `cimiento`, for child processes."""

from app.cli import main

main(prog_name="cimiento")
