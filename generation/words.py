"""Words as they are compared: folded, cut to a stem, weighed. Pure; English and Spanish."""

import re
import unicodedata
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

_TOKEN = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+")
# 1.234.567,8 and 1,234,567.8: groups of three behind one mark, decimals behind the other.
_GROUPED = re.compile(
    r"(?P<whole>[1-9]\d{0,2}(?P<mark>[.,])\d{3}(?:(?P=mark)\d{3})*)(?P<rest>(?!(?P=mark))[.,]\d+)?"
)
# Cutting words to their first letters stands in for a stemmer: it joins "interceptions" to
# "intercepted" and "ganaron" to "ganar" in both languages, needs no dictionary and no language.
_STEM_CHARS: Final = 6

# Words that say how a sentence is built, not what it is about. Folded like everything else.
_FUNCTION_TEXT: Final = """
    a about above after again against all also am an and any are as at be because been
    before being below between both but by can could did do does doing down during each few
    for from further had has have having he her here hers him his how i if in into is it its
    itself just many me more most much my no nor not of off on once one only or other our
    out over own same she should so some such than that the their them then there these they
    this those through to too under until up us very was we were what when where which while
    who whom whose why will with would you your al algo algun alguna algunas alguno algunos
    ante antes aquel aquella asi aun aunque bajo cada como con contra cual cuales cuando
    cuanta cuantas cuanto cuantos de del desde donde durante e el ella ellas ellos en entre
    era eran eres es esa esas ese eso esos esta estaba estan estar estas este esto estos fue
    fueron ha haber habia han hasta hay la las le les lo los mas me mi mientras mismo mucha
    muchas mucho muchos muy ni no nos nosotros nuestra nuestro o os otra otras otro otros
    para pero poco por porque que quien quienes se sea ser si sido sin sobre son su sus tal
    tambien tan tanto te tener tiene tienen todo todos tu tus un una unas uno unos usted y
    ya yo
"""
FUNCTION_WORDS: Final = frozenset(_FUNCTION_TEXT.split())


def fold(text: str) -> str:
    """Lower case without accents; the length may change."""
    decomposed = unicodedata.normalize("NFKD", text)
    # case last: decomposing can bring capitals back, as in "™"
    return "".join(char for char in decomposed if not unicodedata.combining(char)).casefold()


def tokens(text: str) -> list[str]:
    """Every word and number of the text, folded and not cut, as it is written."""
    return _TOKEN.findall(fold(text))


def stems(text: str) -> list[str]:
    """Every word of the text, folded and cut to its stem; numbers in one spelling."""
    return [_stem(word) for word in tokens(text)]


def whole_words(text: str) -> list[str]:
    """Every word of the text, folded and not cut; no numbers."""
    return [word for word in tokens(text) if not word[0].isdigit()]


def content_stems(text: str) -> list[str]:
    """The stems of the words that carry meaning, in order."""
    return [_stem(word) for word in tokens(text) if word not in FUNCTION_WORDS]


def bigrams(words: Sequence[str]) -> list[tuple[str, str]]:
    """Neighbouring pairs."""
    return list(pairwise(words))


def _stem(word: str) -> str:
    if word[0].isdigit():
        return plain_number(word)
    return word[:_STEM_CHARS]


def plain_number(number: str) -> str:
    """A number in digits, without marks between thousands and with a point before decimals.

    1.234 can only be guessed at: it counts as a thousand, not as a decimal.
    """
    grouped = _GROUPED.fullmatch(number)
    if grouped is None:
        return number.replace(",", ".")
    whole = grouped["whole"].replace(grouped["mark"], "")
    return whole + (grouped["rest"] or "").replace(",", ".")
