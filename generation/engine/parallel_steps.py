"""Every device runs the same steps: the leader decides and tells, the followers follow.

The leader has the engine; before it runs a batch it sends the batch to the followers, who run it
on their shares of the model. What they compute comes back only through the sums inside the model.
On one machine. A follower that is lost ends the leader's running requests with an error.
"""

from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from datetime import timedelta
from itertools import islice
from typing import Final

import torch
import torch.distributed as dist
import torch.multiprocessing as processes
from torch import Tensor

from generation.engine.devices import build_runner
from generation.engine.model import Transformer
from generation.engine.runner import BatchRunner, CausalModel, Chunk, RunnerSizes
from generation.engine.tensor_parallel import Share, take_share

# words of a message that are sent at once: a step of decoding rarely needs more
_NUM_FIRST: Final = 2048
# between two steps a follower waits as long as nobody asks anything
_PATIENCE: Final = timedelta(days=365)
_STOP: Final = -1

LoadModel = Callable[[], Transformer]


class Words:
    """Lists of whole numbers from the leader to every follower, over the processor's memory."""

    def __init__(self) -> None:
        self._group = dist.new_group(backend="gloo", timeout=_PATIENCE)

    def send(self, words: Sequence[int]) -> None:
        first = torch.zeros(_NUM_FIRST, dtype=torch.int64)
        rest = torch.tensor(words, dtype=torch.int64)
        head = rest[: _NUM_FIRST - 1]
        first[0] = len(rest)
        first[1 : 1 + len(head)] = head
        dist.broadcast(first, 0, group=self._group)
        if len(rest) > len(head):
            dist.broadcast(rest[len(head) :].contiguous(), 0, group=self._group)

    def receive(self) -> list[int]:
        first = torch.empty(_NUM_FIRST, dtype=torch.int64)
        dist.broadcast(first, 0, group=self._group)
        num_words = int(first[0])
        words: list[int] = first[1 : 1 + num_words].tolist()
        if num_words > len(words):
            rest = torch.empty(num_words - len(words), dtype=torch.int64)
            dist.broadcast(rest, 0, group=self._group)
            words += rest.tolist()
        return words


class LeadingRunner:
    """Runs every batch on all devices; the hidden states are the leader's own, which are whole."""

    def __init__(self, own: BatchRunner, words: Words) -> None:
        self._own = own
        self._words = words
        self.wants_runs = own.wants_runs

    def run(self, chunks: Sequence[Chunk]) -> Tensor:
        self._words.send(encode(chunks))
        return self._own.run(chunks)

    def logits(self, hidden: Tensor) -> Tensor:
        return self._own.logits(hidden)

    def log_likelihoods(self, hidden: Tensor, targets: Sequence[int]) -> Tensor:
        return self._own.log_likelihoods(hidden, targets)


def encode(chunks: Sequence[Chunk]) -> list[int]:
    words = [len(chunks)]
    for chunk in chunks:
        words += (len(chunk.tokens), len(chunk.pages), len(chunk.copies))
        words += (chunk.start, chunk.first_row)
        for part in (chunk.tokens, chunk.pages, *chunk.copies):
            words += part
    return words


def decode(words: Sequence[int]) -> list[Chunk]:
    rest = iter(words)

    def take(count: int) -> list[int]:
        return list(islice(rest, count))

    chunks = []
    for _ in range(next(rest)):
        num_tokens, num_pages, num_copies, start, first_row = take(5)
        tokens, pages = take(num_tokens), take(num_pages)
        copies = [(next(rest), next(rest)) for _ in range(num_copies)]
        chunks.append(Chunk(tokens, start, pages, first_row, copies))
    return chunks


@dataclass(frozen=True, slots=True, kw_only=True)
class Team:
    """Processes that compute together. device_type: "cuda", a card for each; or "cpu"."""

    size: int
    port: int
    device_type: str = "cuda"

    def join(self, rank: int) -> None:
        """Returns once all have come."""
        if self.device_type == "cuda":
            torch.cuda.set_device(rank)
        dist.init_process_group(
            "nccl" if self.device_type == "cuda" else "gloo",
            init_method=f"tcp://127.0.0.1:{self.port}",
            rank=rank,
            world_size=self.size,
        )

    def load_share(self, load: LoadModel, rank: int) -> Transformer:
        share = take_share(load(), Share(rank, self.size), _add_up)
        device = f"cuda:{rank}" if self.device_type == "cuda" else self.device_type
        return share.to(device)


class Leader:
    """The first process of a team, with its followers.

    with Leader(load, team) as leader:
        engine = Engine(leader.model, settings, build_runner=leader.build_runner)

    `load` gives the whole model, in every process: it must be picklable. Close the engine first.
    """

    def __init__(self, load: LoadModel, team: Team) -> None:
        start = processes.get_context("spawn").Process
        self._followers = [
            start(target=follow, args=(load, team, rank), daemon=True)
            for rank in range(1, team.size)
        ]
        for follower in self._followers:
            follower.start()
        team.join(0)
        self._words = Words()
        self.model = team.load_share(load, 0)

    def build_runner(self, model: CausalModel, sizes: RunnerSizes) -> BatchRunner:
        """The same room on every device, as much as the leader's engine wants of its own."""
        self._words.send([int(value) for value in astuple(sizes)])
        return LeadingRunner(build_runner(model, sizes), self._words)

    def close(self) -> None:
        if all(follower.is_alive() for follower in self._followers):
            self._words.send([_STOP])
        else:  # the others wait for one that will not come
            for follower in self._followers:
                follower.terminate()
        for follower in self._followers:
            follower.join()
        dist.destroy_process_group()

    def __enter__(self) -> "Leader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def follow(load: LoadModel, team: Team, rank: int) -> None:
    """What a follower's process does: load its share, then run what it is told until the end."""
    team.join(rank)
    words = Words()
    model = team.load_share(load, rank)
    received = words.receive()
    if received != [_STOP]:
        *numbers, compiles = received
        num_pages, page_size, max_context, max_sequences = numbers
        sizes = RunnerSizes(
            num_pages=num_pages,
            page_size=page_size,
            max_context=max_context,
            max_sequences=max_sequences,
            compile_blocks=bool(compiles),
        )
        _run_all(build_runner(model, sizes), words)
    dist.destroy_process_group()


@torch.inference_mode()
def _run_all(runner: BatchRunner, words: Words) -> None:
    while (received := words.receive()) != [_STOP]:
        runner.run(decode(received))


def _add_up(tensor: Tensor) -> None:
    dist.all_reduce(tensor)
