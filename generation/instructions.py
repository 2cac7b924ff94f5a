"""Find text that tells a machine what to answer. Judges by wording; understands nothing.

Such text is data, and may be searched, shown and asked about; but it answers no other question, so
it must not be quoted as if it did. Ordinary imperatives ("press the button") are no instructions in
this sense: what counts is a machine that is addressed, rules that are to be ignored, or words that
are to be answered with.
"""

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

from generation.sentences import split_sentences
from generation.words import fold

# What follows an instruction in its paragraph belongs to it: "Obey. The answer is 7."
_MAX_FOLLOWING: Final = 2
_OPENS_BLOCK: Final = "|-*+•#>"

_SPEAK: Final = (
    r"(?:answer|reply|respond|say|print|output|write|repeat|append|sign|tell|reveal|disclose|"
    r"respond[ae]|responder|contest[ae]|contestar|di|diga|decir|escrib[ae]|escribir|imprim[ae]|"
    r"repit[ae]|repetir|anad[ae]|anadir|firm[ae]|firmar|revel[ae]|revelar)"
)
_PUT: Final = (
    r"(?:add|begin|start|end|finish|insert|include|mention|show|display|muestr[ae]|mostrar|empiez[ae]|empezar|comienz[ae]|comenzar|"
    r"termin[ae]|terminar|insert[ae]|incluy[ae]|incluir|menciona)"
)
_REPLY: Final = r"(?:answers?|repl(?:y|ies)|responses?|respuestas?|contestacion(?:es)?)"
_MACHINE: Final = (
    r"(?:language models?|a\.?i\.? (?:models?|assistants?|agents?|systems?)|llms?|chat ?bots?|"
    r"system prompt|developer mode|modelos? de (?:lenguaje|ia)|asistentes? (?:de ia|virtual)|"
    r"(?:mensaje|prompt) (?:de|del) sistema|modo (?:de )?desarrollador)"
)

_CONTROL: Final = (
    r"(?:<\|[^|<>\n]{1,40}\|>|\[/?inst\]|<</?sys>>|"
    r"</?(?:system|passages?|instructions?|assistant)>)"
)
_DISREGARD: Final = (
    r"(?:ignor[ae]|disregard|forget|override|bypass|pay no attention|stop (?:reading|following)|"
    r"(?:do not|don't|never) (?:follow|use|obey)|olvid[ae]|olvidar|descart[ae]|omit[ae]|"
    r"haz caso omiso|no (?:hagas caso|sigas|uses|obedezcas|tengas en cuenta)|"
    r"dej[ae] de (?:leer|seguir))"
)
_RULES: Final = (
    r"(?:instruction|instruccion|rule|regla|guideline|prompt|previous|prior|above|anterior|here|aqui|"
    r"passage|pasaje|texto|text\b)"
)

# Control tokens and roles, rules to be ignored, a machine that is told to say something.
_OVERRIDES: Final = re.compile(
    rf"{_CONTROL}.{{0,60}}?\b(?:{_SPEAK}|{_PUT})\b"
    r"|(?:^|\n)[\s>#*|-]*(?:(?:new |nuevas )?(?:system|sistema|instructions?|instruccion(?:es)?)"
    r"(?: prompt| message)?:|(?:assistant|asistente)[:,])"
    rf"|\b{_DISREGARD}\b.{{0,40}}?\b{_RULES}"
    rf"|\b{_MACHINE}\b.{{0,80}}?\b{_SPEAK}\b"
    rf"|\b{_SPEAK}\b.{{0,20}}?\b(?:your|tu) {_MACHINE}\b"
    r"|\b(?:from now on,? you are|you are now in \w+ mode|a partir de ahora,? (?:eres|respond)|"
    r"ahora (?:eres|estas en modo)|repeat after me|repite conmigo)\b",
    re.DOTALL,
)
# Words that are to be answered with.
_DICTATIONS: Final = re.compile(
    rf"\b(?:{_SPEAK}|{_PUT})\b.{{0,60}}?"
    rf"\b(?:every|each|your|all|cada|tus?|todas (?:las|tus)) {_REPLY}\b"
    r"|(?:^|[.,:;!?\n>*|]\s?|\b(?:please|must|por favor|debes) )(?:answer|reply|respond|responde|"
    r"contesta|responder|contestar)\s+(?:only |just |solely |always |solo |solamente |unicamente |"
    r"siempre )?(?:with|con)\b"
    rf"|\b(?:your|the only correct|the only right|tu|la unica) {_REPLY}(?: correcta)? "
    r"(?:is|must|should|es|debe)\b"
    rf"|\b(?:if|when|whenever) (?:you are asked|(?:somebody|someone|anybody|anyone|people|users?|"
    rf"the user) asks?)\b.{{0,160}}?\b{_SPEAK}\b"
    rf"|\b(?:si|cuando) (?:alguien|te|el usuario|los usuarios|la gente) (?:te )?pregunt\w+\b"
    rf".{{0,160}}?\b{_SPEAK}\b"
    rf"|\b(?:to the question|a la pregunta)\b.{{0,160}}?\b{_SPEAK}\b"
    r"|\b(?:you must|you shall|debes|tienes que) (?:always |only |siempre |solo )?(?:answer|reply|"
    r"respond|say|responder|contestar|decir)\b",
    re.DOTALL,
)
# Questions that are about such text themselves.
_ABOUT_RULES: Final = re.compile(
    rf"\b(?:{_MACHINE}|prompts?|instructions?|instruccion(?:es)?|injections?|inyeccion(?:es)?|tokens?)\b"
)
_ABOUT_WORDS: Final = re.compile(rf"\b{_SPEAK}\b")


def find_instructions(text: str, question: str) -> list[tuple[int, int]]:
    """Offsets of what tells a machine what to answer, unless that is what the question asks about.

    Invisible characters, full-width letters and accents do not hide it.
    """
    asked = _plain(question)
    patterns = [
        pattern
        for pattern, about in ((_OVERRIDES, _ABOUT_RULES), (_DICTATIONS, _ABOUT_WORDS))
        if not about.search(asked)
    ]
    return list(_find(text, patterns))


def _find(text: str, patterns: list[re.Pattern[str]]) -> Iterator[tuple[int, int]]:
    num_following = 0
    last_end = 0
    for start, end in split_sentences(text):
        if "\n\n" in text[last_end:start] or text[start] in _OPENS_BLOCK:
            num_following = 0
        plain = _plain(text[start:end])
        if any(pattern.search(plain) for pattern in patterns):
            num_following = _MAX_FOLLOWING
            yield start, end
        elif num_following > 0:
            num_following -= 1
            yield start, end
        last_end = end


def _plain(text: str) -> str:
    # a backslash only escapes what Markdown would read as a mark
    shown = "".join(char for char in text if char != "\\" and unicodedata.category(char) != "Cf")
    return fold(shown)
