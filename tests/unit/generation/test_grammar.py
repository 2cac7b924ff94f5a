"""Whatever the model prefers, the text follows its grammar; a bad grammar is refused at once."""

import json
import random
import re
import threading
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generation.engine.sequence import TokenConstraint
from generation.grammar import MAX_REGEX_BYTES, MAX_SCHEMA_BYTES, GrammarError, Grammars

WORDS = ('{"', '":', '": "', '", "', '"}', "answer", "cit", "ations", "yes", "es", " sir", "true")
STOP, OTHER_STOP, SILENT = 256 + len(WORDS), 257 + len(WORDS), 258 + len(WORDS)
PADDED_SIZE = 300


class BytesAndWords:
    """Every byte is a token, and a few words are; text is read longest token first."""

    vocab_size = SILENT + 1
    stop_ids = frozenset({STOP, OTHER_STOP})
    control_ids = frozenset({STOP, OTHER_STOP})

    def __init__(self) -> None:
        self._tokens = [bytes([byte]) for byte in range(256)] + [w.encode() for w in WORDS]
        self._tokens += [b""] * 3

    def token_bytes(self, token_id: int) -> bytes:
        return self._tokens[token_id]

    def encode(self, text: str) -> list[int]:
        left, ids = text.encode(), []
        while left:
            known = [i for i, token in enumerate(self._tokens) if token and left.startswith(token)]
            best = max(known, key=lambda i: len(self._tokens[i]))
            ids.append(best)
            left = left[len(self._tokens[best]) :]
        return ids


TOKENIZER = BytesAndWords()
GRAMMARS = Grammars(TOKENIZER, vocab_size=PADDED_SIZE)
ANSWER = {
    "type": "object",
    "properties": {
        "answer": {"enum": ["yes", "no"]},
        "citations": {"type": "array", "items": {"enum": [1, 2, 3]}, "maxItems": 3},
    },
    "required": ["answer", "citations"],
    "additionalProperties": False,
}


def write(constraint: TokenConstraint, seed: int, *, max_tokens: int = 400) -> str:
    """The text of a model that likes every allowed token alike."""
    rng = random.Random(seed)  # noqa: S311 - repeatable, guards nothing
    written: list[int] = []
    while not constraint.is_finished and len(written) < max_tokens:
        tokens = list(constraint.forced())
        if not tokens:
            mask = constraint.mask()
            assert mask is not None
            tokens = [rng.choice(mask.nonzero().flatten().tolist())]
        if tokens[0] in TOKENIZER.stop_ids:
            break
        for token in tokens:
            constraint.advance(token)
        written += tokens
    return b"".join(map(TOKENIZER.token_bytes, written)).decode()


def follow(constraint: TokenConstraint, text: str) -> TokenConstraint:
    for token in TOKENIZER.encode(text):
        mask = constraint.mask()
        assert mask is not None
        assert mask[token]
        constraint.advance(token)
    return constraint


@settings(deadline=None)
@given(st.integers(0, 2**32))
def test_what_a_schema_allows_is_what_is_written(seed: int) -> None:
    text = write(GRAMMARS.json_schema(ANSWER)(), seed)

    said = json.loads(text)
    assert said["answer"] in {"yes", "no"}
    assert set(said["citations"]) <= {1, 2, 3}
    assert len(said["citations"]) <= 3
    assert text == json.dumps(said)


def test_a_schema_may_be_given_as_text() -> None:
    assert json.loads(write(GRAMMARS.json_schema(json.dumps(ANSWER))(), 0))["answer"]


def test_any_json_object_is_one_object() -> None:
    complete = follow(GRAMMARS.json_object()(), '{"a": {"b": [1, true, null, "é x"]}}')

    assert complete.is_finished
    mask = GRAMMARS.json_object()().mask()
    assert {TOKENIZER.token_bytes(i) for i in mask.nonzero().flatten()} == {b"{", b'{"'}


@settings(deadline=None)
@given(st.integers(0, 2**32))
def test_a_regex_is_matched_as_a_whole(seed: int) -> None:
    pattern = r"(yes|no), [0-9]{2}(-ab)*!"
    text = write(GRAMMARS.regex(pattern)(), seed)

    assert re.fullmatch(pattern, text)


@settings(deadline=None)
@given(st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=5), st.integers(0, 2**32))
def test_a_choice_is_one_of_its_texts(texts: list[str], seed: int) -> None:
    assert write(GRAMMARS.choice(texts)(), seed) in texts


def test_a_stop_token_is_allowed_exactly_where_the_text_is_complete() -> None:
    grammar = GRAMMARS.choice(["yes", "yes sir"])

    assert not grammar().mask()[[STOP, OTHER_STOP]].any()
    either = follow(grammar(), "yes")
    assert not either.is_finished
    mask = either.mask()
    assert mask is not None
    assert mask[STOP]
    assert mask[OTHER_STOP]
    assert follow(either, " sir").is_finished


def test_taking_the_stop_token_ends_the_text() -> None:
    constraint = follow(GRAMMARS.regex("yes( sir)*")(), "yes")
    constraint.advance(OTHER_STOP)

    assert constraint.is_finished


def test_what_is_without_alternative_is_forced() -> None:
    assert b"".join(map(TOKENIZER.token_bytes, GRAMMARS.json_schema(ANSWER)().forced())).startswith(
        b'{"answer'
    )


def test_tokens_without_text_and_beyond_the_tokenizer_are_never_allowed() -> None:
    mask = GRAMMARS.regex("(?s:.*)")().mask()

    assert mask.shape == (PADDED_SIZE,)
    assert not mask[SILENT:].any()
    assert mask[: len(WORDS)].any()


def test_constraints_of_one_grammar_do_not_share_their_progress() -> None:
    grammar = GRAMMARS.choice(["ab", "cd"])
    first, second = grammar(), grammar()
    first.advance(ord("a"))

    assert second.mask().nonzero().flatten().tolist() == [ord("a"), ord("c")]
    assert grammar().mask().sum() == 2


def test_a_grammar_compiled_by_one_thread_serves_another() -> None:
    grammar = GRAMMARS.json_schema(ANSWER)
    texts: list[str] = []
    thread = threading.Thread(target=lambda: texts.append(write(grammar(), 3)))
    thread.start()
    thread.join()

    assert texts == [write(grammar(), 3)]


def test_a_token_that_is_not_allowed_is_an_error() -> None:
    constraint = GRAMMARS.choice(["ab"])()

    with pytest.raises(GrammarError, match="cannot be followed"):
        constraint.advance(ord("x"))


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ("{not json", "is not JSON"),
        ({"type": "nothing"}, "Invalid type"),
        ({"type": "string", "pattern": "(("}, "unclosed group"),
        ({"not": {"type": "string"}}, "Unimplemented keys"),
        ({"x-guidance": {"lenient": True}, "not": {"type": "string"}}, "Unimplemented keys"),
        ({"$ref": "#/missing"}, "does not exist"),
        ({"$ref": "https://example.org/schema"}, "does not fetch"),
        ({"$ref": "#"}, "allows no text|cannot be followed"),
        ({"enum": []}, "Unsatisfiable"),
        ({"enum": ["x" * MAX_SCHEMA_BYTES]}, "at most 65536"),
        ({"const": float("nan")}, "is not JSON"),
        ({"const": b"bytes"}, "is not JSON"),
        ("\ud800", "not valid Unicode"),
        ('{"items":' * 5000 + "{}" + "}" * 5000, "is not JSON"),
        (
            {
                "allOf": [
                    {"anyOf": [{"type": "string", "pattern": f"{i}.{j}"} for j in range(8)]}
                    for i in range(12)
                ]
            },
            "too large",
        ),
    ],
)
def test_a_bad_schema_is_refused_with_the_reason(schema: object, reason: str) -> None:
    with pytest.raises(GrammarError, match=reason):
        GRAMMARS.json_schema(schema)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("((", "unclosed group"),
        ("(?=a)b", "look-around"),
        (r"(a)\1", "backreferences"),
        ("a" * (MAX_REGEX_BYTES + 1), "at most 8192"),
        ("(((a{90}){90}){90}){90}", "too many expressions"),
        ("(" * 400 + "a" + ")" * 400, "cannot be followed"),
        ("\ud800", "not valid Unicode"),
    ],
)
def test_a_bad_pattern_is_refused_with_the_reason(pattern: str, reason: str) -> None:
    with pytest.raises(GrammarError, match=reason):
        GRAMMARS.regex(pattern)


@pytest.mark.parametrize("texts", [[], ["a"] * 1001, ["x" * 70_000], ["\ud800"]])
def test_a_bad_choice_is_refused(texts: list[str]) -> None:
    with pytest.raises(GrammarError):
        GRAMMARS.choice(texts)


def test_a_message_about_a_grammar_stays_short() -> None:
    with pytest.raises(GrammarError) as refused:
        GRAMMARS.regex("(" + "b" * 5000)

    assert len(str(refused.value)) < 400


def test_a_model_without_a_stop_token_cannot_be_held_to_a_grammar() -> None:
    class Endless(BytesAndWords):
        stop_ids: frozenset[int] = frozenset()

    with pytest.raises(GrammarError, match="stop token"):
        Grammars(Endless())


def _grammars() -> list[Callable[[], object]]:
    return [GRAMMARS.json_object, lambda: GRAMMARS.regex("a+"), lambda: GRAMMARS.choice(["a"])]


@pytest.mark.parametrize("compile_grammar", _grammars())
def test_compiling_says_nothing_on_the_console(
    compile_grammar: Callable[[], object], capfd: pytest.CaptureFixture[str]
) -> None:
    compile_grammar()

    assert capfd.readouterr() == ("", "")
