"""Read server-sent events in tests."""

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Event:
    """One event as a client sees it."""

    name: str
    data: Any
    id: str  # empty where it has none


def read_events(text: str) -> list[Event]:
    """The events of a stream; comments are left out."""
    events = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if line[:1] != ":")
        if fields:
            events.append(Event(fields["event"], json.loads(fields["data"]), fields.get("id", "")))
    return events
