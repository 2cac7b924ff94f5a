"""Ask a stored answer's question again, as its receipt says, and tell what is different and why.

Nothing is stored of it. On the same build and device, over the same documents, a replay is equal.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from app.adapters import AdapterNotFoundError, StoredAdapter
from app.answers import StoredAnswer
from app.asking import Asking, FullAnswer, Question
from app.services import Services
from core.access import Access, Caller
from core.errors import CimientoError, CollectionNotFoundError
from core.redaction import Response
from generation.answer import AnswerOptions
from generation.language import question_language
from generation.prompts import DEFAULT_PROMPT, PromptTemplate, load_prompt
from generation.types import Example, Sampling

CauseKind = Literal[
    "document_deleted",
    "collection_deleted",
    "passages",
    "index",
    "prompt",
    "adapter",
    "extractor",
    "examples",
    "model",
    "device",
    "embedding_model",
    "reranker",
    "calibration",
    "reward",
    "build",
    "unexplained",
]

# What is below that is not told apart.
_CONFIDENCE_PLACES: Final = 6
_OF_A_CITATION: Final = ("n", "document_id", "version", "start", "end", "quote")
# A drop in likelihood is not compared: in few bits its last digits hang on what is in the cache.
_OF_A_SENTENCE: Final = ("start", "end", "support", "citations")
# What made an answer: the kind of cause, and what to call it.
_MADE: Final[dict[str, tuple[CauseKind, str]]] = {
    "prompt": ("prompt", "the prompt"),
    "prompt_sha256": ("prompt", "the text of the prompt"),
    "adapter": ("adapter", "the adapter"),
    "adapter_sha256": ("adapter", "the hash of the adapter"),
    "extractor": ("extractor", "the extractor"),
    "model": ("model", "the model"),
    "model_sha256": ("model", "the hash of the model's weights"),
    "runs_on": ("device", "the device or number format"),
    "embedding_model": ("embedding_model", "the embedding model"),
    "reranker": ("reranker", "the reranker"),
    "calibration": ("calibration", "the calibration of the confidence"),
    "build": ("build", "the version of the service"),
}


class AnswerNotReplayableError(CimientoError):
    """The answer was cancelled or failed: it never became whole."""

    code = "answer_not_replayable"


@dataclass(frozen=True, slots=True)
class Cause:
    """Something that an answer was made of and that is different now; a sentence says what."""

    kind: CauseKind
    detail: str


@dataclass(frozen=True, slots=True)
class Replay:
    """An answer beside the same question's answer now. `differences` names what is not equal."""

    before: Response
    now: Response
    differences: tuple[str, ...]
    causes: tuple[Cause, ...]

    @property
    def is_same(self) -> bool:
        """Whether the answer is equal: its status, text, sentences, citations and confidence."""
        return not self.differences


def replay(
    services: Services,
    stored: StoredAnswer,
    caller: Caller,
    encode: Callable[[FullAnswer], Response],
    *,
    cancelled: Callable[[], bool],
) -> Replay | None:
    """Ask again, under what the caller may see now; None where it was cancelled.

    Raises `AnswerNotReplayableError` for an answer that never became whole.
    """
    if stored.status in ("cancelled", "failed"):
        raise AnswerNotReplayableError(
            f"answer {stored.id!r} was {stored.status}: there is nothing whole to compare"
        )
    question, causes = _question(services, stored, caller)
    asking = Asking(services, question)
    for event in asking.run(cancelled=cancelled):
        if isinstance(event, FullAnswer):
            full = event
            asking.count(full)
            services.doors.usage.add(caller.name, full.answer.usage.total)
    if full.status == "cancelled":
        return None
    again = encode(full)
    then, now = _view(stored.response), _view(again)
    differences = tuple(name for name in then if then[name] != now[name])
    causes += [*_withdrawn(stored.response), *_changes(stored.response, again)]
    if differences and not causes:
        causes.append(Cause("unexplained", "nothing that it was made of has changed"))
    return Replay(stored.response, again, differences, tuple(causes))


def _question(
    services: Services, stored: StoredAnswer, caller: Caller
) -> tuple[Question, list[Cause]]:
    """The question as its receipt says, and what stands in the way of asking exactly that."""
    receipt = stored.response["receipt"]
    access, causes = _access(services, stored, caller)
    template, of_prompt = _prompt(services, receipt["prompt"])
    adapter, of_adapter = _adapter(services, receipt.get("adapter", ""))
    options = AnswerOptions(
        sampling=Sampling(**receipt["sampling"], adapter=adapter.sha256 if adapter else ""),
        adapter=adapter.reference if adapter else "",
        min_confidence=receipt["min_confidence"],
        prompt=template,
        style=receipt["style"],
        unsupported=receipt["unsupported"],
        max_passages=receipt["max_passages"],
        reward=services.reward,
        pointer=services.pointer,
        # answers of earlier versions say nothing of it
        likelihood=receipt.get("likelihood", False),
    )
    asked = stored.response["standalone"] or stored.question
    own = {each.id: each for each in template.own_examples(question_language(asked))}
    examples, of_examples = _examples(services, receipt, own, access)
    calibrated = services.calibrations.applied(options, access)
    question = Question(
        text=stored.question,
        asker=caller.name,
        access=access,
        top_k=receipt["top_k"],
        options=replace(calibrated, min_confidence=options.min_confidence),
        where=receipt["filter"],
        standalone=stored.response["standalone"],
        examples=examples,
    )
    return question, causes + of_prompt + of_adapter + of_examples


def _access(services: Services, stored: StoredAnswer, caller: Caller) -> tuple[Access, list[Cause]]:
    if stored.collections is None:
        return caller.access, []
    ids, causes = [], []
    for name in stored.collections:
        try:
            ids.append(services.collections.get(name, caller.access).id)
        except CollectionNotFoundError:
            detail = f"the collection {name!r} is no longer there, or not to be seen"
            causes.append(Cause("collection_deleted", detail))
    return caller.access.narrowed_to(ids), causes


def _prompt(services: Services, reference: str) -> tuple[PromptTemplate, list[Cause]]:
    # whoever may read the answer may have it made again
    everything = Access.to_everything()
    found = services.prompts.find(reference, everything)
    if found is not None:
        return found.template, []
    newest = services.prompts.find(reference.partition("@")[0], everything)
    taken = newest.template if newest else load_prompt(DEFAULT_PROMPT)
    detail = f"the prompt {reference} is no longer there; {taken.reference} was taken"
    return taken, [Cause("prompt", detail)]


def _adapter(services: Services, reference: str) -> tuple[StoredAdapter | None, list[Cause]]:
    if not reference:
        return None, []
    try:
        # as with the prompt
        return services.adapters.get(reference, Access.to_everything()), []
    except AdapterNotFoundError:
        detail = f"the adapter {reference} is no longer there; none was taken"
        return None, [Cause("adapter", detail)]


def _examples(
    services: Services, receipt: Response, own: dict[str, Example], access: Access
) -> tuple[tuple[Example, ...] | None, list[Cause]]:
    """The examples that were chosen then; None where none was, to choose as for any question."""
    shown = [each["id"] for each in receipt.get("examples", [])]
    chosen = [*receipt.get("examples_left_out", []), *shown]
    if not chosen:
        return None, []
    known = own | {each.id: each for each in services.example_chooser.get(chosen, access)}
    found = tuple(known[each] for each in chosen if each in known)
    if len(found) == len(chosen):
        return found, []
    detail = f"{len(chosen) - len(found)} of {len(chosen)} examples are no longer there"
    return found, [Cause("examples", detail)]


def _view(response: Response) -> dict[str, Any]:
    """What is compared, without what differs between any two runs."""
    citations = [{key: each[key] for key in _OF_A_CITATION} for each in response["citations"]]
    sentences = [{key: each[key] for key in _OF_A_SENTENCE} for each in response["sentences"]]
    return {
        "status": response["status"],
        "answer": response["answer"],
        "sentences": sentences,
        "citations": citations,
        "confidence": round(response["confidence"], _CONFIDENCE_PLACES),
    }


def _withdrawn(response: Response) -> Iterator[Cause]:
    for each in response["withdrawn"]:
        detail = f"version {each['version']} of document {each['document_id']} was deleted"
        yield Cause("document_deleted", detail)


def _changes(before: Response, after: Response) -> Iterator[Cause]:
    old, new = before["receipt"], after["receipt"]
    for name, (kind, called) in _MADE.items():
        # answers of earlier versions do not say everything
        was, now = old.get(name, ""), new[name]
        if was != now:
            yield Cause(kind, f"{called} was {was!r} and is {now!r}")
    rewards = [receipt["samples"]["reward"] for receipt in (old, new) if receipt.get("samples")]
    if len(set(rewards)) > 1:
        yield Cause("reward", "the reward that picks a draft was {!r} and is {!r}".format(*rewards))
    if _hashes(old) != _hashes(new):
        num_gone = len(_hashes(old) - _hashes(new))
        num_new = len(_hashes(new) - _hashes(old))
        detail = f"of {len(_hashes(old))} passages found then {num_gone} are not found now, and "
        yield Cause("passages", f"{detail}{num_new} others are")
    elif _order(old) != _order(new):
        yield Cause("passages", "the same passages were found in another order")
    if old["index_generation"] != new["index_generation"]:
        detail = f"the index was at generation {old['index_generation']} and is at "
        yield Cause("index", f"{detail}{new['index_generation']}")


def _order(receipt: Response) -> list[tuple[str, str]]:
    return [(each["chunk_id"], each["sha256"]) for each in receipt["passages"]]


def _hashes(receipt: Response) -> set[tuple[str, str]]:
    return set(_order(receipt))
