"""What the web application is like to use: its first paint, and long lists while they scroll.

    python -m benchmarks.web [--quick] [--json FILE]

A real `cimiento serve` on loopback and Chromium without a window, as the tests of the pages have
them. A load is cold: a profile that has never seen the service. It ends with the first frame that
shows the field for the question. Then 10,000 documents and a conversation of 500 turns, put in
through the service's own repositories, are scrolled at a steady speed. A frame is late when it
comes more than 33 ms after the one before; the longest task is that of the page's own thread. How
many elements there are shows that only what is near the window is drawn. All of these are times of
a clock, and a full machine lengthens them; `cpu` is what the page's own thread computed.
"""

import argparse
import statistics
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Browser, Page, expect
from sqlalchemy import update

from app.answers import Answers, EndedAnswer, Place
from app.conversations import Conversations
from benchmarks.report import build_manifest, report
from core.access import Access, Caller
from core.blobs import FolderBlobStore
from core.database import Database
from core.ids import AnswerId, ConversationId, new_id
from core.settings import load_settings
from core.tables import JobRow, VersionRow, now
from ingestion.accepting import accept_in
from ingestion.collections import Collections
from ingestion.store import Store
from ingestion.uploads import Upload
from tests.e2e.browser import answer_of, ask, browsing, session_of, window
from tests.e2e.service import Place as Home
from tests.e2e.service import Service, serving
from tests.ports import free_port

_NOTE: Final = "# Hug\n\nHug was created by Timothy Crosley.\n"
_BATCH: Final = 100
_LATE_MS: Final = 33.4  # two frames of 60 a second, and what clocks are off

# Notes when the field was first drawn: the frame after it came, told by the frame after that.
_NOTE_PAINT: Final = """
new MutationObserver((_changes, observer) => {
  if (!document.querySelector("#question")) return;
  observer.disconnect();
  const note = () => { window.paintedMs = performance.now(); };
  requestAnimationFrame(() => requestAnimationFrame(note));
}).observe(document, { childList: true, subtree: true });
"""
_SCROLL: Final = """
async ([selector, stepPx, numFrames]) => {
  const element = document.querySelector(selector);
  const tasks = [0];
  const observer = new PerformanceObserver((list) => {
    tasks.push(...list.getEntries().map((task) => task.duration));
  });
  observer.observe({ type: "longtask" });
  const times = [];
  let most = 0;
  await new Promise((resolve) => {
    const frame = (time) => {
      times.push(time);
      most = Math.max(most, element.getElementsByTagName("*").length);
      element.scrollTop += stepPx;
      if (times.length > numFrames) resolve();
      else requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  });
  // tasks are told when the page is at rest
  await new Promise((resolve) => setTimeout(resolve, 200));
  observer.disconnect();
  const frames = times.slice(1).map((time, at) => time - times[at]);
  return { frames, longest: Math.max(...tasks), most };
}
"""


@dataclass(frozen=True, slots=True)
class Size:
    num_loads: int
    num_documents: int
    num_turns: int
    num_frames: int


FULL: Final = Size(num_loads=15, num_documents=10_000, num_turns=500, num_frames=600)
QUICK: Final = Size(num_loads=3, num_documents=1_000, num_turns=100, num_frames=120)


def measure(browser: Browser, service: Service, size: Size) -> dict[str, float]:
    """All figures, of a service that is empty before."""
    note = service.place.data_dir / "hug.md"
    note.write_text(_NOTE)
    service.add(note)
    state = session_of(browser, service)
    figures = measure_loads(browser, service, state, size.num_loads)
    data_dir = service.place.data_dir
    database = Database(f"sqlite:///{data_dir / 'cimiento.db'}")
    store = Store.below(data_dir, database, FolderBlobStore(data_dir / "blobs"))
    add_documents(store, size.num_documents)
    with window(browser, storage_state=state, base_url=service.base_url) as page:
        page.goto("/")
        ask(page, "Who created Hug?")
        answer_of(page, "Timothy Crosley")
        conversation = ConversationId(page.url.rsplit("/", 1)[1])
        add_turns(database, conversation, size.num_turns)
        page.goto("/documents")
        expect(page.locator(".document").nth(9)).to_be_visible()
        figures |= scrolled(page, "documents", ".rows", size.num_frames, step_px=300)
        page.goto(f"/chat/{conversation}")
        expect(page.locator(".exchange").nth(1)).to_be_visible()
        figures |= scrolled(page, "conversation", ".thread", size.num_frames, step_px=-60)
    database.close()
    return figures


def measure_loads(
    browser: Browser, service: Service, state: Any, num_loads: int
) -> dict[str, float]:
    """Milliseconds from asking for the page to the frame that shows what it is for."""
    painted, computed = [], []
    for _ in range(num_loads):
        with window(browser, storage_state=state, base_url=service.base_url) as page:
            clock = CpuClock(page)
            page.add_init_script(_NOTE_PAINT)
            page.goto("/")
            page.wait_for_function("() => window.paintedMs")
            painted.append(page.evaluate("window.paintedMs"))
            computed.append(clock.read_ms())
    return {
        "first_useful_paint_ms": statistics.median(painted),
        "slowest_paint_ms": max(painted),
        "load_cpu_ms": statistics.median(computed),
    }


class CpuClock:
    """What the page's own thread has computed, whoever else shares the processor."""

    def __init__(self, page: Page) -> None:
        self._session = page.context.new_cdp_session(page)
        self._session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def read_ms(self) -> float:
        metrics = self._session.send("Performance.getMetrics")["metrics"]
        seconds: float = next(m["value"] for m in metrics if m["name"] == "TaskDuration")
        return 1e3 * seconds


def scrolled(
    page: Page, name: str, selector: str, num_frames: int, *, step_px: int
) -> dict[str, float]:
    """Scroll so far in every frame; what came of the frames."""
    clock = CpuClock(page)
    before_ms = clock.read_ms()
    seen: Mapping[str, Any] = page.evaluate(_SCROLL, [selector, step_px, num_frames])
    cpu_ms = clock.read_ms() - before_ms
    frames = seen["frames"]
    return {
        f"{name}_late_share": sum(each > _LATE_MS for each in frames) / len(frames),
        f"{name}_frame_p99_ms": statistics.quantiles(frames, n=100)[98],
        f"{name}_longest_task_ms": seen["longest"],
        f"{name}_cpu_ms_per_frame": cpu_ms / len(frames),
        f"{name}_elements": seen["most"],
    }


def add_documents(store: Store, num_documents: int) -> None:
    """Documents that need no more work, of one line each."""
    default = Collections(store).get("default", Access.to_everything())
    for start in range(0, num_documents, _BATCH):
        # no worker ever sees them queued: they are committed as made searchable
        with store.database.session_scope() as session:
            for number in range(start, min(start + _BATCH, num_documents)):
                with store.blobs.begin() as blob:
                    blob.write(f"Report {number}.\n".encode())
                    name = f"report {number:05} of {number % 40 * 'many '}departments.txt"
                    accept_in(session, Upload(default.id, name, "text/plain"), blob)
            for table in (JobRow, VersionRow):
                queued = update(table).where(table.state == "queued")
                session.execute(queued.values(state="searchable"))


def add_turns(database: Database, conversation_id: ConversationId, num_turns: int) -> None:
    """Turns after the first one of a conversation, with its sources, of all lengths."""
    [turn] = Conversations(database).turns(conversation_id, Caller.owner())
    first = turn.answer
    answers, last_id = Answers(database), first.id
    for number in range(1, num_turns):
        answer_id = AnswerId(new_id("ans"))
        text = first.response["answer"] + "\n\n" + "Words without a source. " * (number % 40)
        answers.keep(
            EndedAnswer(
                id=answer_id,
                asker=first.asker,
                question=f"Question {number}: {first.question}",
                collections=first.collections,
                place=Place(conversation_id, last_id),
                status=first.status,
                response=first.response | {"id": answer_id, "answer": text},
                num_events=first.num_events,
                created_at=now(),
            )
        )
        last_id = answer_id


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.web")
    parser.add_argument("--quick", action="store_true", help="few of everything: does it run")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args()
    size = QUICK if options.quick else FULL
    with tempfile.TemporaryDirectory() as name:
        home = Home(Path(name), load_settings().models_dir, free_port())
        with serving(home) as service, browsing() as browser:
            figures = measure(browser, service, size)
            settings: dict[str, str | int | float] = {"browser": browser.version}
    settings |= {"documents": size.num_documents, "turns": size.num_turns, "loads": size.num_loads}
    report(figures, build_manifest("web", settings), json_path=options.json)


if __name__ == "__main__":
    main()
