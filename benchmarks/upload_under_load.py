"""What an upload does to people who ask: the wait for the first token with and without it.

    python -m benchmarks.upload_under_load [--quick] [--json FILE] [--data FOLDER]

A real `cimiento serve` on loopback with a few documents. Twenty people ask at once, each over and
over, in rounds by turns: nothing else going on; one upload of 200 MB at the speed of a good
line; and documents being made searchable. A wait ends with the first piece of the answer, or with
the refusal. Closed loop: everybody asks again at once, so the waits are those of a full house, and
the ratios count.
"""

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import httpx2
import numpy as np

from benchmarks.ingestion import Plan, choose_files
from benchmarks.report import build_manifest, report
from core.settings import load_settings
from tests.e2e.service import Place, Service, serving
from tests.ports import free_port

_NUM_PEOPLE: Final = 20
_UPLOAD_BYTES: Final = 200_000_000
_LINE: Final = b"Nobody reads this; it is here to be received, hashed and stored.\n"
_FIRST_PIECES: Final = ("event: delta", "event: done")


@dataclass(frozen=True, slots=True)
class Load:
    num_documents: int  # to be searchable before anybody asks
    num_questions: int  # of each person in each round
    num_rounds: int
    line_bytes_s: int  # how fast the upload arrives


FULL: Final = Load(num_documents=12, num_questions=3, num_rounds=2, line_bytes_s=10_000_000)
QUICK: Final = Load(num_documents=3, num_questions=1, num_rounds=1, line_bytes_s=40_000_000)


def measure(files: Sequence[Path], load: Load, models_dir: Path) -> dict[str, float]:
    known, later = files[: load.num_documents], files[load.num_documents :]
    waits: dict[str, list[float]] = {"alone": [], "uploading": [], "ingesting": []}
    upload_s: list[float] = []
    with tempfile.TemporaryDirectory() as name:
        place = Place(Path(name), models_dir, free_port())
        with serving(place) as service:
            for path in known:
                service.add(path)
            questions = [f"What is said about {_title(path)}?" for path in known]
            ask_all(service, questions, 1)  # models and caches are warm from here on
            for number in range(load.num_rounds):
                waits["alone"] += ask_all(service, questions, load.num_questions)
                with meanwhile(partial(_upload, service, load, number)) as upload:
                    waits["uploading"] += ask_all(service, questions, load.num_questions)
                upload_s.append(upload.result())
                jobs = [service.upload(path) for path in later[number :: load.num_rounds]]
                waits["ingesting"] += ask_all(service, questions, load.num_questions)
                for job in jobs:
                    service.client.delete(f"/v1/documents/{job['document_id']}")
    figures = {"num_questions": float(len(waits["alone"])), "upload_s": max(upload_s)}
    for state, seconds in waits.items():
        figures[f"first_token_p50_s_{state}"] = float(np.percentile(seconds, 50))
        figures[f"first_token_p95_s_{state}"] = float(np.percentile(seconds, 95))
    alone = figures["first_token_p95_s_alone"]
    for state in ("uploading", "ingesting"):
        figures[f"ratio_p95_{state}_vs_alone"] = figures[f"first_token_p95_s_{state}"] / alone
    return figures


def ask_all(service: Service, questions: Sequence[str], num_questions: int) -> list[float]:
    """Seconds to the first piece of every answer, all people asking at once."""

    def person(number: int) -> list[float]:
        asked = [questions[(number + at) % len(questions)] for at in range(num_questions)]
        with httpx2.Client(
            base_url=service.base_url, headers=service.client.headers, timeout=300
        ) as client:
            return [_wait_for_first_piece(client, question) for question in asked]

    with ThreadPoolExecutor(_NUM_PEOPLE) as people:
        return [wait for waits in people.map(person, range(_NUM_PEOPLE)) for wait in waits]


def _wait_for_first_piece(client: httpx2.Client, question: str) -> float:
    started = time.perf_counter()
    first_s = 0.0
    body = {"question": question, "stream": True}
    with client.stream("POST", "/v1/answer", json=body) as response:
        response.raise_for_status()
        for line in response.iter_lines():
            if not first_s and line.startswith(_FIRST_PIECES):
                first_s = time.perf_counter() - started
            if line.startswith("event: error"):
                raise RuntimeError("the service could not answer")
    assert first_s
    return first_s


@contextmanager
def meanwhile(work: Callable[[], float]) -> Iterator[Future[float]]:
    """Run work in a thread of its own while the block runs, and wait for its end after it."""
    with ThreadPoolExecutor(1) as aside:
        running = aside.submit(work)
        yield running


def _upload(service: Service, load: Load, number: int) -> float:
    """Send the big file at the speed of the line; seconds until it was accepted."""
    boundary = f"part-{number}"
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; '
        f'filename="big-{number}.txt"\r\n\r\n'
    )

    def body() -> Iterator[bytes]:
        yield head.encode()
        block = _LINE * 8_000
        started, num_sent = time.perf_counter(), 0
        while num_sent < _UPLOAD_BYTES:
            yield block
            num_sent += len(block)
            time.sleep(max(0.0, num_sent / load.line_bytes_s - time.perf_counter() + started))
        # no two uploads have the same bytes
        yield os.urandom(16).hex().encode() + f"\r\n--{boundary}--\r\n".encode()

    started = time.perf_counter()
    response = httpx2.post(
        f"{service.base_url}/v1/collections/default/documents",
        content=body(),
        headers={
            **service.client.headers,
            "Content-Type": f"multipart/form-data; boundary={boundary}",
        },
        timeout=300,
    )
    assert response.status_code == 202, response.text
    return time.perf_counter() - started


def _title(path: Path) -> str:
    return path.stem.replace("_", " ").replace("-", " ")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.upload_under_load")
    parser.add_argument("--quick", action="store_true", help="one round: does it run at all")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument("--data", type=Path, help="folder with squad_en/; else our own pages")
    options = parser.parse_args()
    load = QUICK if options.quick else FULL
    # as many again become searchable in each round
    chosen = Plan(load.num_documents * (1 + load.num_rounds), num_texts=0, num_rounds=0)
    with tempfile.TemporaryDirectory() as name:
        files = [Path(shutil.copy(path, name)) for path in choose_files(options.data, chosen)]
        figures = measure(files, load, load_settings().models_dir)
    settings = {"people": _NUM_PEOPLE, "upload_bytes": _UPLOAD_BYTES, "documents": len(files)}
    report(figures, build_manifest("upload_under_load", settings), json_path=options.json)


if __name__ == "__main__":
    main()
