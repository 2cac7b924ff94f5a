"""What a question is about: its subject, names, and phrases to be replaced. Rules; no parser.

For English and Spanish, and for the plain questions that people ask of documents. Where a rule
finds nothing it says so: the caller has another way.
"""

import re
from typing import Final

from generation.language import Language

_PREPOSITIONS: Final[dict[Language, str]] = {
    "en": "in|on|at|for|from|to|of|by|with|without|during|after|before|under|about|near|since"
    "|until",
    "es": "en|para|de|del|desde|a|al|con|sin|por|durante|hasta|sobre|tras|según|cerca de",
}
_PREPOSITION: Final = {
    language: re.compile(rf"\b(?P<word>{words})\b\s+", re.IGNORECASE)
    for language, words in _PREPOSITIONS.items()
}
_BE: Final = ("is", "are", "was", "were")
_ARTICLES: Final = ("the", "a", "an", "my", "our", "this", "these")
_OF: Final = re.compile(r"(?:\w+\s+){1,4}of\s+(?:the\s+)?\w+(?:\s+[A-Z]\w+)*")
_CONTRACTED: Final = {"del": "de", "al": "a"}
# "tickets for adults", "and children?": one beneficiary stands against another
_FOR_WHOM: Final = ("for", "para")
_AUXILIARY: Final = re.compile(
    r"\b(?:do|does|did|is|are|was|were|can|could|will|would|should|has|have|had|may|must)\b\s+",
    re.IGNORECASE,
)
_DETERMINER: Final = {
    "en": re.compile(r"^(?:the|a|an|this|that|these|those|my|our|your)\b", re.IGNORECASE),
    "es": re.compile(
        r"^(?:el|la|los|las|un|una|unos|unas|mi|mis|nuestro|nuestra)\b", re.IGNORECASE
    ),
}
_ES_PHRASE: Final = re.compile(
    r"\b(?:el|la|los|las|un|una)\s+(?!que\b)\w+(?:\s+(?:de(?:l| la| los| las)?\s+)?(?!que\b)\w+)*",
    re.IGNORECASE,
)
_CAPITALISED: Final = r"[A-ZÁÉÍÓÚÑÜ][\w'’.-]+"  # noqa: RUF001 - a real apostrophe
_NAME: Final = re.compile(
    rf"{_CAPITALISED}(?:\s+(?:(?:de|del|la|las|los|y|of|the|von|van)\s+)*{_CAPITALISED})*"
)


def find_subject(question: str, language: Language) -> str | None:
    """The noun phrase that the question is about; None where no rule finds one."""
    return _subject_en(question) if language == "en" else _subject_es(question)


def find_name(question: str) -> str | None:
    """The last run of capitalised words, apart from the question's first word."""
    first = question.split(maxsplit=1)
    begins = len(question) - len(first[1]) if len(first) > 1 else len(question)
    names = [found for found in _NAME.finditer(question) if found.start() >= begins]
    return names[-1].group() if names else None


def find_person(answer: str, *, besides: str) -> str | None:
    """The first name in an answer that the question did not hold."""
    known = besides.casefold()
    for found in _NAME.finditer(answer):
        words = found.group().rstrip(".,")
        is_first = found.start() == 0 and " " not in words
        if not is_first and words.casefold() not in known:
            return words
    return None


def replace_same_preposition(question: str, fragment: str, language: Language) -> str | None:
    """The question with the fragment in place of its phrase after the same preposition."""
    opening = _PREPOSITION[language].match(fragment)
    if opening is None:
        return None
    same = _family(opening["word"], language)
    found = [
        each
        for each in _PREPOSITION[language].finditer(question)
        if _family(each["word"], language) == same
    ]
    if not found:
        return f"{question} {fragment}"
    start = found[-1].start()
    following = _PREPOSITION[language].search(question, found[-1].end())
    rest = f" {question[following.start() :]}" if following else ""
    return f"{question[:start]}{fragment}{rest}"


def replace_last_phrase(question: str, fragment: str, language: Language) -> str | None:
    """The question with the fragment in place of its subject, or else of what stands last."""
    found = list(_PREPOSITION[language].finditer(question))
    is_definite = _DETERMINER[language].match(fragment) is not None
    if found and not is_definite and found[-1]["word"].lower() in _FOR_WHOM:
        return f"{question[: found[-1].end()]}{fragment}"
    subject = find_subject(question, language)
    if subject and is_definite == (_DETERMINER[language].match(subject) is not None):
        return question.replace(subject, fragment, 1)
    if found:
        return question[: found[-1].start()] + with_preposition(found[-1]["word"], fragment)
    return question.replace(subject, fragment, 1) if subject else None


def with_preposition(preposition: str, phrase: str) -> str:
    """Preposition and phrase, contracted as Spanish does."""
    word = _CONTRACTED.get(preposition.lower(), preposition)
    if word.lower() in _CONTRACTED.values() and phrase.lower().startswith("el "):
        return f"{word}l {phrase[3:]}"
    return f"{word} {phrase}"


def _family(word: str, language: Language) -> str:
    """The preposition without the article that Spanish contracts it with."""
    word = word.lower()
    return _CONTRACTED.get(word, word) if language == "es" else word


def _subject_en(question: str) -> str | None:
    """What stands after the auxiliary, as far as the verb or predicate."""
    auxiliary = _AUXILIARY.search(question)
    if auxiliary is None:
        return None
    rest = question[auxiliary.end() :]
    cut = _PREPOSITION["en"].search(rest)
    head = (rest[: cut.start()] if cut else rest).strip()
    if auxiliary.group().strip().lower() in _BE:
        return _subject_of_be(question, rest, head)
    first, *others = head.split() or [""]
    if not others:
        return head or None
    is_whole = first.lower() in _ARTICLES or first[0].isupper()
    if not is_whole:
        return first
    # an article wants a noun before the verb
    return head if first.lower() in _ARTICLES and len(others) == 1 else head.rpartition(" ")[0]


def _subject_of_be(question: str, rest: str, head: str) -> str | None:
    if of := _OF.match(rest):  # "who is the director of the museum": it goes on
        return of.group()
    first, *others = head.split() or [""]
    asks_for_it = question.lower().startswith(("who", "what", "where", "which"))
    if first.lower() in _ARTICLES and len(others) > 1 and not asks_for_it:
        return head.rpartition(" ")[0]  # the last word is the predicate
    return head or None


def _subject_es(question: str) -> str | None:
    found = list(_ES_PHRASE.finditer(question))
    if not found:
        return None
    phrase = found[0].group()
    for word in (" en ", " para ", " con ", " por ", " a ", " durante ", " desde ", " hasta "):
        phrase = phrase.split(word)[0]
    return phrase
