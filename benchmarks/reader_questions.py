"""Questions made from sentences by rules, with the words of the sentence that answer them.

English and Spanish. What a rule is not sure of it leaves: a few thousand plain questions are worth
more than many odd ones. Knows no grammar beyond word order.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from generation.language import Language
from generation.sentences import split_sentences

_MIN_WORDS, _MAX_WORDS = 5, 24
_END: Final = r"(?=[.,;]\s|[.]?$)"
_CAPITAL: Final = r"[A-ZÁÉÍÓÚÑ][\w'’.-]*"  # noqa: RUF001 - a real apostrophe
_LINK: Final = r"(?:(?:of|the|and|de|del|la|los|las|y)\s){0,2}"
_NAME: Final = rf"{_CAPITAL}(?:\s{_LINK}{_CAPITAL}){{0,4}}"
_PRONOUN: Final = re.compile(
    r"(?:He|She|It|They|This|These|Those|That|There|We|You|I|His|Her|Its|Their|Such|Some|Many|Most|"
    r"However|Él|Ella|Ellos|Esto|Este|Esta|Estos|Estas|Su|Sus|Ese|Esa|Hay|Aunque|Cuando|Si)\b"
)
_HE: Final = re.compile(r"\b(?:he|she|his|her|him)\b|\b(?:él|ella)\b", re.IGNORECASE)
_MONTH: Final = (
    r"(?:January|February|March|April|May|June|July|August|September|October|November|December|"
    r"enero|febrero|marzo|abril|mayo|junio|julio|agosto|septiembre|octubre|noviembre|diciembre)"
)
_ENGLISH_DATE: Final = rf"(?:{_MONTH}\s(?:\d{{1,2}},\s)?)?(?:1[0-9]|20)\d\d"
_SPANISH_NUMBER: Final = r"\d[\d.,]*\d|\d|dos|tres|cuatro|cinco|seis|siete|ocho|nueve|diez|doce"


@dataclass(frozen=True, slots=True)
class Made:
    """A question, and the words that answer it."""

    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class _Rule:
    """A sentence of this shape is asked so; `answer` is the group that answers."""

    shape: re.Pattern[str]
    asked: str
    answer: str = "answer"


def _rule(shape: str, asked: str) -> _Rule:
    return _Rule(re.compile(shape), asked)


_RULES: Final[dict[Language, tuple[_Rule, ...]]] = {
    "en": (
        _rule(
            rf"(?P<who>[^,;]{{3,70}}?) (?P<be>was|were|is|are) (?P<done>[^,;]{{3,70}}?) "
            rf"(?:in|on) (?P<answer>{_ENGLISH_DATE}){_END}",
            "When {be} {who} {done}?",
        ),
        _rule(
            rf"(?P<who>[^,;]{{3,70}}?) (?P<be>was|were) (?P<done>\w+(?:ed|en|un|ht|de)) by "
            rf"(?P<answer>(?:the )?{_NAME}){_END}",
            "Who {be} {who} {done} by?",
        ),
        _rule(
            rf"(?P<who>[^,;]{{3,70}}?) (?P<be>was|were|is|are) (?P<done>\w+(?:ed|rn|ld|lt|en)) "
            rf"(?:in|at) (?P<answer>(?:the )?{_NAME}){_END}",
            "Where {be} {who} {done}?",
        ),
        _rule(
            r"There (?P<be>are|were) (?:about |around |over |approximately )?"
            r"(?P<answer>\d[\d,.]*\d|\d|two|three|four|five|six|seven|eight|nine|ten|twelve) "
            rf"(?P<what>[a-z][^,;]{{3,60}}?) (?P<where>(?:in|at|on|within|of) [^,;]{{3,50}}){_END}",
            "How many {what} {be} there {where}?",
        ),
        _rule(
            rf"(?P<answer>(?:The )?{_NAME}) (?P<verb>was|is|became|won|led|wrote|founded|received|"
            r"introduced|developed|discovered|established|released|published|invented|signed|"
            r"opened|designed|defeated|replaced|built|produced|directed|conquered|ruled) "
            rf"(?P<done>[^,;]{{12,90}}){_END}",
            "{ask} {verb} {done}?",
        ),
    ),
    "es": (
        _rule(
            # a clause without one of these endings has hardly ever a verb
            r"En (?P<answer>(?:1[0-9]|20)\d\d), (?=[^,;]*(?:ó|aron|ieron|fue|era|aba|ía)\b)"
            rf"(?P<rest>[^,;]{{12,110}}){_END}",
            "¿En qué año {rest}?",
        ),
        _rule(
            r"(?P<who>(?:El|La|Los|Las) [^,;]{3,60}?) (?P<done>(?:fue|fueron|es|está|se) "
            rf"[^,;]{{3,60}}?) en (?P<answer>(?:1[0-9]|20)\d\d){_END}",
            "¿En qué año {done} {who}?",
        ),
        _rule(
            rf"(?P<who>[^,;]{{3,60}}?) (?P<be>fue|fueron|es|son) (?P<done>\w+(?:[ai]d[oa]s?|ritos?|"
            rf"ritas?|ech[oa]s?)) por (?P<answer>(?:el |la |los |las )?{_NAME}){_END}",
            "¿Por quién {be} {done} {who}?",
        ),
        _rule(
            rf"(?P<who>[^,;]{{3,60}}?) (?P<done>nació|murió|vivió|estudió|está|se encuentra|"
            rf"se celebró|tuvo lugar) en (?P<answer>(?:el |la |los |las )?{_NAME}){_END}",
            "¿Dónde {done} {who}?",
        ),
        _rule(
            r"(?P<who>[^,;]{3,60}?) (?P<verb>tiene|tenía|posee|incluye|cuenta con) (?:unos |unas |"
            rf"aproximadamente |cerca de )?(?P<answer>{_SPANISH_NUMBER}) (?P<what>\w+(?:os|es))\b",
            "¿Cuántos {what} {verb} {who}?",
        ),
        _rule(
            r"(?P<who>[^,;]{3,60}?) (?P<verb>tiene|tenía|posee|incluye|cuenta con) (?:unos |unas |"
            rf"aproximadamente |cerca de )?(?P<answer>{_SPANISH_NUMBER}) (?P<what>\w+as)\b",
            "¿Cuántas {what} {verb} {who}?",
        ),
        _rule(
            rf"(?P<answer>(?:El |La )?{_NAME}) (?P<verb>fue|es|era|ganó|fundó|escribió|recibió|"
            r"descubrió|estableció|publicó|inventó|firmó|diseñó|derrotó|construyó|dirigió|"
            rf"desarrolló|introdujo|representa|propuso|creó) (?P<done>[^,;]{{12,90}}){_END}",
            "{ask} {verb} {done}?",
        ),
    ),
}


def make_questions(text: str, language: Language) -> Iterator[Made]:
    """At most one question of a sentence, in the text's order."""
    for start, end in split_sentences(text):
        sentence = text[start:end]
        if not _PRONOUN.match(sentence):
            yield from _ask(sentence, language, is_of_person=bool(_HE.search(text)))


def _ask(sentence: str, language: Language, *, is_of_person: bool) -> Iterator[Made]:
    for rule in _RULES[language]:
        found = rule.shape.match(sentence)
        if found is None:
            continue
        parts = {name: part.strip(" .") for name, part in found.groupdict().items()}
        answer = parts["answer"]
        if "who" in parts:
            parts["who"] = _small(parts["who"])
        question = rule.asked.format(ask=_asking(answer, language, is_of_person), **parts)
        if _MIN_WORDS <= len(question.split()) <= _MAX_WORDS and "(" not in question:
            yield Made(" ".join(question.split()), answer)
            return


def _asking(answer: str, language: Language, is_of_person: bool) -> str:  # noqa: FBT001 - see above
    words = answer.split()
    is_name = is_of_person and 2 <= len(words) <= 3 and words[0] not in ("The", "El", "La")
    return {"en": ("What", "Who"), "es": ("¿Qué", "¿Quién")}[language][is_name]


def _small(words: str) -> str:
    """Without the capital of a sentence's first word, where that is no name."""
    first, _, rest = words.partition(" ")
    is_plain = first in ("The", "A", "An", "In", "El", "La", "Los", "Las", "Un", "Una", "En")
    return f"{first.lower()} {rest}" if is_plain else words
