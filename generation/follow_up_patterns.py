"""By which words questions lean on what was said before, in English and Spanish. No logic."""

import re
from typing import Final

from generation.language import Language

# What a follow-up opens with.
OPENERS: Final[dict[Language, re.Pattern[str]]] = {
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
QUESTION_WORD: Final[dict[Language, re.Pattern[str]]] = {
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
BARE: Final[dict[Language, re.Pattern[str]]] = {
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
EN_PERSON: Final = re.compile(r"\b(?:he|she|him|her|hers|his)\b", re.IGNORECASE)
# "it" that stands for nothing: how long does it take, is it true that
EXPLETIVE: Final = re.compile(
    r"\bit (?:take|takes|true|possible|necessary|allowed|safe|legal|mean|rain|snow|happen)\b",
    re.IGNORECASE,
)
# What points at something that was said.
# "that" joins clauses more often than it points
EN_OBJECT: Final = re.compile(
    r"\b(?:it|they|them|this|these|those|he|she|him|her)\b"
    r"|(?<=\bdoes )that\b|(?<=\bdid )that\b|(?<=\bis )that\b|(?<=\bwas )that\b|\bthat(?=\W*$)",
    re.IGNORECASE,
)
EN_POSSESSIVE: Final = re.compile(r"\b(?:its|their|his|her)\b(?=\s+\w)", re.IGNORECASE)
EN_DETERMINER: Final = re.compile(r"\b(?:this|that|these|those)\s+(?=[a-z])", re.IGNORECASE)
EN_THERE: Final = re.compile(
    r"(?<!is )(?<!are )(?<!was )(?<!were )\bthere\b(?=\W*$)", re.IGNORECASE
)
ES_POSSESSIVE: Final = re.compile(r"\bsus?\s+(?P<noun>\w+)", re.IGNORECASE)
ES_PRONOUN: Final = re.compile(
    r"\b(?:ella|ellos|ellas|ello|esto|eso|aquello|[ée]ste|[ée]sta|[ée]se|[ée]sa)\b|\bél\b",
    re.IGNORECASE,
)
# before a verb; elsewhere these are articles
ES_CLITIC: Final = re.compile(
    r"(?:\b(?:qui[ée]n(?:es)?|cu[áa]ndo|d[óo]nde|c[óo]mo|qu[ée]|no|se)\s+)"
    r"(?:lo|la|los|las|le|les)\s+\w+",
    re.IGNORECASE,
)
ES_THERE: Final = re.compile(r"\b(?:all[íi]|ah[íi])\b", re.IGNORECASE)
ES_NOUN: Final = re.compile(
    r"\b(?:el|la|los|las|un|una|unos|unas|del|al)\s+\w{3,}(?!\w)|\b(?:de|en|con|para|por|a)\s+\w{4,}",
    re.IGNORECASE,
)
# A thing that a question names itself, and a word that hangs on one.
NOUN: Final = re.compile(
    r"\b(?:the|an?|my|our|your|every|each|el|la|los|las|una?|mi|nuestr[oa]|cada)\s+\w{3,}",
    re.IGNORECASE,
)
AFTER_PREPOSITION: Final = re.compile(
    r"\b(?:of|for|about|with|to|in|on|from|by|de|en|con|para|por|sobre|a)\s+$", re.IGNORECASE
)
# What a bare question was joined to before.
JOINED: Final = re.compile(r"^[^()]*\? \((?P<inner>.*)\)$", re.DOTALL)
