"""The servers behind a pool: who is well, who has how much to do, who is asked first. No torch.

A question goes to the server that rendezvous hashing gives its prefix, so that prompts that begin
alike find their keys and values where they were computed; and no server has more than its share of
what is under way (consistent hashing with bounded loads), so that no prefix makes a queue while
others idle. A server that fails gets no new work until it answers a check again. One that has been
silent for long, to checks as well, is lost: what is read from it is ended, since nobody else will.

An address may stand for a fleet: it gets no work, and the workers that it names join the others.
One that it does not name any more goes once it does not answer, so that whoever keeps the fleet's
list may be away without a question lost.
"""

import math
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Final

import structlog

from core.errors import CimientoError
from generation.errors import GeneratorUnavailableError
from generation.remote import RemoteGenerator, RemoteModel
from generation.types import Message

_log = structlog.get_logger()

# A server's share of what is under way, before its questions go to the next: 1 is strictly even.
_SPREAD: Final = 1.25
# Of the last message, which ends in the question: about the first passage.
_PREFIX_CHARS: Final = 512
_MAX_FULL_S: Final = 5.0
# Then a server is asked again for an adapter that it did not have: somebody may have copied it.
_LACKS_FOR_S: Final = 10.0


@dataclass(eq=False, slots=True)
class Member:
    """One server. `serves` is None while it gets no work; `reason` says why.

    `stands_for`: the workers that it names. `is_found`: named so, and not by the settings.
    """

    generator: RemoteGenerator
    is_found: bool = False
    serves: RemoteModel | None = None
    reason: str = "has not answered yet"
    num_under_way: int = 0
    full_until_s: float = -math.inf
    stands_for: tuple[str, ...] = ()
    look_now: threading.Event = field(default_factory=threading.Event)
    # adapters that it cannot apply, and until when that is taken for granted
    lacks: dict[str, float] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Where it is."""
        return self.generator.url


class Roster:
    """Keeps watch over servers, a thread each. Thread-safe; `close` it."""

    def __init__(
        self,
        generators: Sequence[RemoteGenerator],
        *,
        lost_after_s: float,
        check_every_s: float,
    ) -> None:
        self.members = tuple(Member(generator) for generator in generators)
        self._lost_after_s = lost_after_s
        self._check_every_s = check_every_s
        self._changed = threading.Condition()
        self._is_started = False
        self._closed = threading.Event()
        # of those that serve, or the last that did
        self._model: RemoteModel | None = None

    def start(self) -> None:
        """Begin to watch, once."""
        with self._changed:
            if self._is_started or self.is_closed:
                return
            self._is_started = True
        self._begin_to_watch(self.members)

    def close(self) -> None:
        """Watch no more; whoever waits is told."""
        self._closed.set()
        with self._changed:
            self._changed.notify_all()
        for member in self.members:
            member.look_now.set()

    @property
    def is_closed(self) -> bool:
        """Whether nobody will serve any more."""
        return self._closed.is_set()

    @property
    def model(self) -> RemoteModel | None:
        """What all that serve have in common; None until one of them has answered."""
        return self._model

    def choose(self, key: bytes, adapter: str = "") -> Member | None:
        """Whom to ask, counted until `release`. None where all are full or out, or lack it."""
        with self._changed:
            moment = time.monotonic()
            able = [
                member
                for member in self.members
                if member.serves is not None
                and member.full_until_s <= moment
                and not _lacks(member, adapter, moment)
            ]
            if not able:
                return None
            num_under_way = sum(member.num_under_way for member in able)
            share = math.ceil(_SPREAD * (num_under_way + 1) / len(able))
            able.sort(key=lambda member: _weight(key, member.url), reverse=True)
            # not all can have their share and more
            chosen = next(member for member in able if member.num_under_way < share)
            chosen.num_under_way += 1
            return chosen

    def release(self, member: Member) -> None:
        """It has answered, or failed to."""
        with self._changed:
            member.num_under_way -= 1
            self._changed.notify_all()

    def suspend(self, member: Member, error: CimientoError) -> None:
        """Give it nothing until it answers a check, which comes now. What it does goes on."""
        with self._changed:
            if member.serves is not None:
                _log.warning("generation_worker_out", url=member.url, reason=str(error))
            member.serves, member.reason = None, str(error)
        member.look_now.set()

    def pass_over(self, member: Member, *, for_s: float) -> None:
        """Give it nothing for a while: it says that it is full."""
        with self._changed:
            member.full_until_s = time.monotonic() + min(for_s, _MAX_FULL_S)

    def note_lack(self, member: Member, adapter: str) -> None:
        """Ask it for other adapters only, for a while: it does not have this one."""
        with self._changed:
            moment = time.monotonic()
            member.lacks = {name: until for name, until in member.lacks.items() if until > moment}
            member.lacks[adapter] = moment + _LACKS_FOR_S
            _log.warning("generation_worker_lacks_adapter", url=member.url, adapter=adapter)

    def all_lack(self, adapter: str) -> bool:
        """Whether there are servers, and none of them has the adapter."""
        with self._changed:
            moment = time.monotonic()
            serving = [member for member in self.members if member.serves is not None]
            return bool(serving) and all(_lacks(each, adapter, moment) for each in serving)

    def wait(self, timeout_s: float) -> None:
        """Wait until somebody may have become free or well, so long at most."""
        with self._changed:
            if not self.is_closed:
                self._changed.wait(timeout_s)

    def nobody(self) -> GeneratorUnavailableError:
        """Why there is nobody to ask."""
        with self._changed:
            told = "; ".join(
                f"{member.url}: {'full' if member.serves else member.reason}"
                for member in self.members
            )
        return GeneratorUnavailableError(f"no generation worker takes questions ({told})")

    def _begin_to_watch(self, members: Sequence[Member]) -> None:
        for member in members:
            threading.Thread(
                target=self._watch, args=(member,), name="generation-worker", daemon=True
            ).start()

    def _watch(self, member: Member) -> None:
        while not self.is_closed and member in self.members:
            member.look_now.clear()
            self._check(member)
            # a server that answers checks and fails at its work is not asked without a pause
            self._closed.wait(self._check_every_s / 4)
            member.look_now.wait(self._check_every_s)
        if not self.is_closed:
            # it left the fleet, and whoever closes the others does not know it
            member.generator.close()

    def _check(self, member: Member) -> None:
        silent_s = time.monotonic() - member.generator.heard_s
        if member.serves is not None and silent_s < self._check_every_s:
            return  # it speaks: that is a check
        try:
            model = member.generator.describe()
        except CimientoError as error:
            self.suspend(member, error)
            if time.monotonic() - member.generator.heard_s >= self._lost_after_s:
                member.generator.break_off()
        else:
            self._take_in(member, model)

    def _take_in(self, member: Member, model: RemoteModel) -> None:
        if model.workers:
            self._follow(member, model.workers)
            return
        with self._changed:
            member.stands_for = ()
            others = [each for each in self.members if each is not member and each.serves]
            for other in others:
                if other.serves and other.serves.sha256 != model.sha256:
                    member.serves = None
                    member.reason = f"has other weights than {other.url}"
                    return
            if member.serves is None:
                _log.info("generation_worker_in", url=member.url)
            member.serves, member.reason = model, ""
            self._model = _in_common([each.serves for each in self.members if each.serves])
            self._changed.notify_all()

    def _follow(self, fleet: Member, urls: tuple[str, ...]) -> None:
        """Take in the workers that a fleet names, and drop who left it."""
        with self._changed:
            if self.is_closed:
                return
            fleet.serves, fleet.reason = None, "stands for a fleet"
            fleet.stands_for = urls
            named = {url for member in self.members for url in member.stands_for}
            stay = [each for each in self.members if each.url in named or not _has_left(each)]
            known = {each.url for each in stay}
            new = [
                Member(fleet.generator.beside(url), is_found=True)
                for url in dict.fromkeys(urls)
                if url not in known
            ]
            for each in new:
                _log.info("generation_worker_found", url=each.url, fleet=fleet.url)
            self.members = (*stay, *new)
        self._begin_to_watch(new)


def _has_left(member: Member) -> bool:
    return member.is_found and member.serves is None and not member.num_under_way


def prefix_of(messages: Sequence[Message], adapter: str = "") -> bytes:
    """What prompts that begin alike, and have the same adapter, have in common: 16 bytes."""
    digest = blake2b(adapter.encode(), digest_size=16)
    for message in messages[:-1]:
        digest.update(f"{message.role}\0{message.content}\0".encode())
    for message in messages[-1:]:
        digest.update(f"{message.role}\0{message.content[:_PREFIX_CHARS]}".encode())
    return digest.digest()


def _lacks(member: Member, adapter: str, moment: float) -> bool:
    return member.lacks.get(adapter, -math.inf) > moment


def _weight(key: bytes, url: str) -> bytes:
    # rendezvous hashing: a server that comes or goes moves no key between the others
    return blake2b(url.encode(), key=key, digest_size=8).digest()


def _in_common(models: Sequence[RemoteModel]) -> RemoteModel:
    return replace(
        models[0],
        max_context=min(model.max_context for model in models),
        is_ours=all(model.is_ours for model in models),
    )
