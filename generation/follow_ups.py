"""Follow-up questions rewritten to stand alone, by rules for English and Spanish. Pure.

Three kinds are known: ellipsis ("And in Spain?"), bare questions ("Why?") and references ("When
does it close?", "¿Cuándo cierra?"). A question that already stands alone is left as it is: a
rewriting that is wrong costs more than one that is missing, because retrieval sees it alone.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from generation.generator import Generator
from generation.language import Language, question_language
from generation.noun_phrases import (
    Phrase,
    find_name,
    find_person,
    find_subject,
    replace_last_phrase,
    replace_same_preposition,
)
from generation.types import Message
from generation.words import content_stems, fold

_OPENERS: dict[Language, re.Pattern[str]] = {
    "en": re.compile(
        r"^(?:(?:and|but|so|or|ok|okay)\b,?\s*)?(?:(?:what|how) about\b|what of\b)\s*"
        r"|^(?:and|but|or)\b,?\s*",
        re.IGNORECASE,
    ),
    "es": re.compile(
        r"^[¿\s]*(?:(?:y|e|pero|o)\b,?\s*)?[¿\s]*(?:qu[ée] (?:hay|pasa|tal)(?: de| con)?)\b\s*"
        r"|^[¿\s]*(?:y|e|pero|o)\b,?\s*[¿\s]*",
        re.IGNORECASE,
    ),
}
# Words that begin a question of its own.
_QUESTION_WORD: dict[Language, re.Pattern[str]] = {
    "en": re.compile(
        r"^(?:(?:in|at|on|for|to|from|since|until|by|with) )?"
        r"(?:who|whom|whose|what|when|where|why|which|how)\b"
        r"|^(?:is|are|was|were|do|does|did|can|could|will|would|should|has|have|had|may|must)\b",
        re.IGNORECASE,
    ),
    "es": re.compile(
        r"^[¿\s]*(?:(?:en|a|de|desde|hasta|para|por|con) )?"
        r"(?:qui[ée]n(?:es)?|qu[ée]|cu[áa]ndo|d[óo]nde|adónde|c[óo]mo|cu[áa]l(?:es)?"
        r"|cu[áa]nt[oa]s?)\b",
        re.IGNORECASE,
    ),
}
# Questions of nothing but question words: what they ask about was said before.
_BARE: dict[Language, re.Pattern[str]] = {
    "en": re.compile(
        r"^(?:why(?: not)?|how(?: so| much| many| long| often| far| come)?|when|where|who"
        r"|which(?: one)?|what else|since when|until when|by whom|for whom|with whom|what for)$",
        re.IGNORECASE,
    ),
    "es": re.compile(
        r"^(?:por qu[ée](?: no)?|c[óo]mo|cu[áa]nt[oa]s?|cu[áa]ndo|d[óo]nde|qui[ée]n(?:es)?"
        r"|cu[áa]l(?:es)?|qu[ée] m[áa]s|desde cu[áa]ndo|hasta cu[áa]ndo|para qui[ée]n|con qui[ée]n"
        r"|para qu[ée]|cada cu[áa]nto)$",
        re.IGNORECASE,
    ),
}
_PERSON = {
    "en": re.compile(r"\b(?:he|she|him|her|hers|his)\b", re.IGNORECASE),
    "es": re.compile(r"\b(?:[ée]l|ella|ellos|ellas)\b", re.IGNORECASE),
}
# "it" that stands for nothing: how long does it take, is it true that
_EXPLETIVE = re.compile(
    r"\bit (?:take|takes|true|possible|necessary|allowed|safe|legal|mean|rain|snow|happen)\b",
    re.IGNORECASE,
)
_EN_OBJECT = re.compile(
    r"\b(?:it|they|them|this|that|these|those|he|she|him|her)\b(?!\s+\w+\s+(?:that|who)\b)",
    re.IGNORECASE,
)
_EN_POSSESSIVE = re.compile(r"\b(?:its|their|his|her)\b(?=\s+\w)", re.IGNORECASE)
_EN_DETERMINER = re.compile(r"\b(?:this|that|these|those)\s+(?=[a-z])", re.IGNORECASE)
_EN_THERE = re.compile(r"(?<!is )(?<!are )(?<!was )(?<!were )\bthere\b(?=\W*$)", re.IGNORECASE)
_ES_POSSESSIVE = re.compile(r"\bsus?\s+(?P<noun>\w+)", re.IGNORECASE)
_ES_PRONOUN = re.compile(
    r"\b(?:ella|ellos|ellas|ello|esto|eso|aquello|[ée]ste|[ée]sta|[ée]se|[ée]sa)\b|\bél\b",
    re.IGNORECASE,
)
# before a verb; elsewhere these are articles
_ES_CLITIC = re.compile(
    r"(?:\b(?:qui[ée]n(?:es)?|cu[áa]ndo|d[óo]nde|c[óo]mo|qu[ée]|no|se)\s+)"
    r"(?:lo|la|los|las|le|les)\s+\w+",
    re.IGNORECASE,
)
_ES_THERE = re.compile(r"\b(?:all[íi]|ah[íi])\b", re.IGNORECASE)
_ES_NOUN = re.compile(
    r"\b(?:el|la|los|las|un|una|unos|unas|del|al)\s+\w{3,}(?!\w)|\b(?:de|en|con|para|por|a)\s+\w{4,}",
    re.IGNORECASE,
)
# A Spanish question with so few words of its own has left its subject out.
_MAX_WITHOUT_SUBJECT = 2
_MAX_FRAGMENT_WORDS = 8


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


def stand_alone(question: str, turns: Sequence[Turn]) -> Rewritten | None:
    """Rewrite a follow-up with what was said before; None where it stands alone already.

    `turns` come oldest first. What is pointed at is sought in the latest turn, then further back.
    """
    if not turns:
        return None
    last = turns[-1]
    language = _language(question, last)
    body = _strip(question)
    rest = _strip(_OPENERS[language].sub("", body, count=1))
    is_opened = rest != body
    if not rest:
        return None
    if _BARE[language].match(rest):
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
    """The question word, with the question that it goes on from."""
    return f"{_close(rest, language)} ({_strip(previous)})"


def _is_fragment(rest: str, language: Language) -> bool:
    if len(rest.split()) > _MAX_FRAGMENT_WORDS:
        return False
    return _QUESTION_WORD[language].match(rest) is None


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
    if _EXPLETIVE.search(rest) and not _EN_POSSESSIVE.search(rest):
        return False
    patterns = (_EN_OBJECT, _EN_POSSESSIVE, _EN_THERE)
    return any(pattern.search(rest) for pattern in patterns)


def _points_es(rest: str) -> bool:
    patterns = (_ES_POSSESSIVE, _ES_PRONOUN, _ES_CLITIC, _ES_THERE)
    if any(pattern.search(rest) for pattern in patterns):
        return True
    # a subject left out: no noun phrase, no name, and hardly a word of its own
    if _ES_NOUN.search(rest) or find_name(rest):
        return False
    return len(content_stems(rest)) <= _MAX_WITHOUT_SUBJECT


def _antecedent(rest: str, last: Turn, language: Language) -> Phrase | None:
    asks_who = re.match(r"(?:a |de |con )?(?:who|whom|quien)", fold(_strip(last.question)))
    if asks_who and last.answer:
        is_person = language == "es" or _PERSON["en"].search(rest)
        person = find_person(last.answer, besides=last.question) if is_person else None
        if person:
            return Phrase(person, is_borrowed=True)
    found = find_subject(_strip(last.question), language) or find_name(_strip(last.question))
    return Phrase(found) if found else None


def _insert_en(rest: str, phrase: str) -> str:
    if _EN_POSSESSIVE.search(rest):
        return _EN_POSSESSIVE.sub(_possessive(phrase), rest, count=1)
    if _EN_THERE.search(rest):
        return _EN_THERE.sub(f"at {phrase}", rest, count=1)
    if _EN_DETERMINER.search(rest):
        return f"{rest} ({phrase})"
    return _EN_OBJECT.sub(lambda _: phrase, rest, count=1)


def _possessive(phrase: str) -> str:
    return f"{phrase}'" if phrase.endswith("s") else f"{phrase}'s"


def _insert_es(rest: str, phrase: str) -> str:
    possessive = _ES_POSSESSIVE.search(rest)
    if possessive:
        article = "los" if possessive[0].lower().startswith("sus") else "el"
        noun = possessive["noun"]
        if article == "el" and noun.endswith(("a", "ción", "dad")):
            article = "la"
        if article == "los" and noun.endswith(("as", "ciones", "dades")):
            article = "las"
        of = f"del {phrase[3:]}" if phrase.lower().startswith("el ") else f"de {phrase}"
        return _ES_POSSESSIVE.sub(lambda _: f"{article} {noun} {of}", rest, count=1)
    if _ES_THERE.search(rest):
        return _ES_THERE.sub(lambda _: f"en {phrase}", rest, count=1)
    if _ES_PRONOUN.search(rest):
        return _ES_PRONOUN.sub(lambda _: phrase, rest, count=1)
    return f"{rest} {phrase}"
