"""Follow-up questions rewritten to stand alone, by rules for English and Spanish. Pure.

Three kinds are known: ellipsis ("And in Spain?"), bare questions ("Why?") and references ("When
does it close?", "¿Cuándo cierra?"). A question that already stands alone is left as it is: a
rewriting that is wrong costs more than one that is missing, because retrieval sees it alone.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from generation.follow_up_patterns import (
    AFTER_PREPOSITION,
    BARE,
    EN_DETERMINER,
    EN_OBJECT,
    EN_PERSON,
    EN_POSSESSIVE,
    EN_THERE,
    ES_CLITIC,
    ES_NOUN,
    ES_POSSESSIVE,
    ES_PRONOUN,
    ES_THERE,
    EXPLETIVE,
    JOINED,
    NOUN,
    OPENERS,
    QUESTION_WORD,
)
from generation.generator import Generator
from generation.language import Language, question_language
from generation.noun_phrases import (
    find_name,
    find_person,
    find_subject,
    replace_last_phrase,
    replace_same_preposition,
    with_preposition,
)
from generation.types import Message
from generation.words import content_stems, fold

# A Spanish question with so few words of its own has left its subject out.
_MAX_WITHOUT_SUBJECT: Final = 2
_MAX_FRAGMENT_WORDS: Final = 8


@dataclass(frozen=True, slots=True)
class Turn:
    """What was asked, standing alone, and what was answered; "" where nothing may be used of it."""

    question: str
    answer: str = ""


@dataclass(frozen=True, slots=True)
class Rewritten:
    """A question that stands alone. `borrows`: it holds words of the answer before, not only of
    questions.
    """

    text: str
    borrows: bool = False


@dataclass(frozen=True, slots=True)
class _Phrase:
    """What a word points at. `is_borrowed`: it was found in an answer, not in a question."""

    text: str
    is_borrowed: bool = False


def stand_alone(question: str, turns: Sequence[Turn]) -> Rewritten | None:
    """Rewrite a follow-up with what was said before; None where it stands alone already.

    `turns` come oldest first. What is pointed at is sought in the latest turn, then further back.
    """
    if not turns:
        return None
    last = turns[-1]
    language = _language(question, last)
    body = _strip(question)
    rest = _strip(OPENERS[language].sub("", body, count=1))
    is_opened = rest != body
    if not rest:
        return None
    if BARE[language].match(rest):
        return Rewritten(_join_bare(rest, last.question, language))
    if is_opened and _is_fragment(rest, language):
        return Rewritten(_fill(rest, last.question, language))
    return _resolve(rest, turns, language)


def recent(turns: Sequence[Turn], generator: Generator, *, max_tokens: int) -> int:
    """How many of the latest turns have at most so many tokens together. A turn is never cut."""
    num_tokens = 0
    for num_kept, turn in enumerate(reversed(turns)):
        messages = [Message("user", turn.question), Message("assistant", turn.answer)]
        num_tokens += generator.count_tokens(messages)
        if num_tokens > max_tokens:
            return num_kept
    return len(turns)


def _language(question: str, last: Turn) -> Language:
    # a few words tell little: the conversation goes on in its language unless marks say otherwise
    if question.lstrip().startswith(("¿", "¡")):
        return "es"
    return question_language(f"{last.question} {question}")


def _strip(text: str) -> str:
    return text.strip().strip("¿?¡! \n\t").rstrip(".…").strip()


def _close(text: str, language: Language) -> str:
    body = _strip(text)
    body = body[:1].upper() + body[1:]
    return f"¿{body}?" if language == "es" else f"{body}?"


def _join_bare(rest: str, previous: str, language: Language) -> str:
    """The question word, with the question that it goes on from; "why" twice is not nested."""
    joined = JOINED.match(previous)
    return f"{_close(rest, language)} ({_strip(joined['inner'] if joined else previous)})"


def _is_fragment(rest: str, language: Language) -> bool:
    if len(rest.split()) > _MAX_FRAGMENT_WORDS:
        return False
    return QUESTION_WORD[language].match(rest) is None


def _fill(rest: str, previous: str, language: Language) -> str:
    """The question before, with the fragment in the place of what it stands against."""
    body = _strip(previous)
    filled = replace_same_preposition(body, rest, language) or replace_last_phrase(
        body, rest, language
    )
    return _close(filled or f"{body} {rest}", language)


def _resolve(rest: str, turns: Sequence[Turn], language: Language) -> Rewritten | None:
    """Put what is meant in the place of what only points at it."""
    points = _points_en if language == "en" else _points_es
    if not points(rest):
        return None
    insert = _insert_en if language == "en" else _insert_es
    for turn in reversed(turns):
        if phrase := _antecedent(rest, turn, language):
            text = _close(insert(rest, phrase.text), language)
            return Rewritten(text, borrows=phrase.is_borrowed)
    return Rewritten(_join_bare(rest, turns[-1].question, language))


def _points_en(rest: str) -> bool:
    if EXPLETIVE.search(rest) and not EN_POSSESSIVE.search(rest):
        return False
    return any(_points_outside(rest, each) for each in (EN_OBJECT, EN_POSSESSIVE, EN_THERE))


def _points_es(rest: str) -> bool:
    if any(_points_outside(rest, each) for each in (ES_POSSESSIVE, ES_PRONOUN, ES_THERE)):
        return True
    # a subject or object left out: no noun phrase, no name, and hardly a word of its own
    if ES_NOUN.search(rest) or find_name(rest):
        return False
    is_short = len(content_stems(rest)) <= _MAX_WITHOUT_SUBJECT
    return is_short or ES_CLITIC.search(rest) is not None


def _points_outside(rest: str, pattern: re.Pattern[str]) -> bool:
    """Whether what is pointed at was not said in this very question.

    "Can a tenant end their lease" says whose; "the price of it" does not say of what.
    """
    found = pattern.search(rest)
    if found is None:
        return False
    before = rest[: found.start()]
    return NOUN.search(before) is None or AFTER_PREPOSITION.search(before) is not None


def _antecedent(rest: str, last: Turn, language: Language) -> _Phrase | None:
    asks_who = re.match(r"(?:a |de |con )?(?:who|whom|quien)", fold(_strip(last.question)))
    if asks_who and last.answer:
        is_person = language == "es" or EN_PERSON.search(rest)
        person = find_person(last.answer, besides=last.question) if is_person else None
        if person:
            return _Phrase(person, is_borrowed=True)
    found = find_subject(_strip(last.question), language) or find_name(_strip(last.question))
    return _Phrase(found) if found else None


def _insert_en(rest: str, phrase: str) -> str:
    if EN_POSSESSIVE.search(rest):
        return EN_POSSESSIVE.sub(lambda _: _possessive(phrase), rest, count=1)
    if EN_THERE.search(rest):
        return EN_THERE.sub(lambda _: f"at {phrase}", rest, count=1)
    if EN_DETERMINER.search(rest):
        return f"{rest} ({phrase})"
    return EN_OBJECT.sub(lambda _: phrase, rest, count=1)


def _possessive(phrase: str) -> str:
    return f"{phrase}'" if phrase.endswith("s") else f"{phrase}'s"


def _insert_es(rest: str, phrase: str) -> str:
    possessive = ES_POSSESSIVE.search(rest)
    if possessive:
        article = "los" if possessive[0].lower().startswith("sus") else "el"
        noun = possessive["noun"]
        if article == "el" and noun.endswith(("a", "ción", "dad")):
            article = "la"
        if article == "los" and noun.endswith(("as", "ciones", "dades")):
            article = "las"
        of = with_preposition("de", phrase)
        return ES_POSSESSIVE.sub(lambda _: f"{article} {noun} {of}", rest, count=1)
    if ES_THERE.search(rest):
        return ES_THERE.sub(lambda _: f"en {phrase}", rest, count=1)
    if ES_PRONOUN.search(rest):
        return ES_PRONOUN.sub(lambda _: phrase, rest, count=1)
    return f"{rest} {phrase}"
