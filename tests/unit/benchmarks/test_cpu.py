"""Processor time is that of a whole family, and nobody's who is not of it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.cpu import read_cpu_s

_TICKS = 20
_BURN = f"""
import os, subprocess, sys, time

def burn():
    while time.process_time() < {_TICKS} / os.sysconf("SC_CLK_TCK"):
        pass
if len(sys.argv) > 1:
    burn()
    if sys.argv[1] == "lives":
        print(flush=True)
        sys.stdin.read()
else:
    # one that ends, and one that goes on
    subprocess.run([sys.executable, __file__, "ends"], check=True)
    with subprocess.Popen([sys.executable, __file__, "lives"]):
        sys.stdin.read()
"""


def test_children_count_while_they_live_and_when_they_have_ended(tmp_path: Path) -> None:
    script = tmp_path / "burn.py"
    script.write_text(_BURN)
    with subprocess.Popen(
        [sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        # what the kernel tells is whole ticks, twice for each process
        least_s = (2 * _TICKS - 4) / os.sysconf("SC_CLK_TCK")
        assert read_cpu_s(process.pid) >= least_s
        assert read_cpu_s(os.getpid()) >= read_cpu_s(process.pid)
        process.stdin.close()


def test_who_does_not_run_is_an_error() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    with pytest.raises(ProcessLookupError):
        read_cpu_s(process.pid)
