"""How much memory a process holds, as Linux tells it."""

import os
from pathlib import Path


def read_rss_bytes(process: int | str = "self") -> int:
    """Memory that a process has in use, mapped files included; of this one where none is named."""
    pages = Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
