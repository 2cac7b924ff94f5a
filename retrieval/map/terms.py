"""Names of clusters: the words that tell each from the rest. Pure: counts words, asks no model.

A word's weight is the share of the cluster's texts that have it, times the logarithm of how much
larger that share is than in the other clusters. Languages are counted apart: beside Spanish text
every English word would be telling.
"""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from retrieval.lexical.analysis import stem, telling_words

_NUM_TERMS: Final = 4
_MIN_SHARE: Final = 0.04
_MIN_CHARS: Final = 3

# What search keeps, because somebody may look for it, but what names nothing.
_EMPTY: Final = frozenset(
    re.findall(
        r"\w+",
        """
    all also and any are been being both but can cannot could did does doing done each even few
    first had has have her here him his how however into its just last let like made make many may
    might more most much must new not now one only other others our out over own same second see
    several shall she should since some still such than that their them then there these they this
    those three through too two under until upon use used uses using very was way well were what
    when where whether which while who whom whose why will with within without would yes yet you
    your about above after again against because before below between down during for from further
    además ahora algo algunas algunos alguna alguno allí aquí así aun aunque bajo bien cada casi
    como con contra cual cuales cualquier cuando cuanto debe deben debido desde después dentro donde
    dos durante ejemplo ella ellas ellos entonces entre eran era ese esa eso esas esos esta este
    esto estas estos forma fue fueron había habían hace hacen hacer hacia han hasta hay incluso
    hecho las les los luego más mayor mejor menos menudo mientras misma mismo mucha muchas mucho
    muchos muy ningún ninguna nos nosotros nueva nuevo nuestra nuestro otra otras otro otros para
    parte pero poco por porque primer primera primero puede pueden podría pues que quien quienes
    ser será sido siempre sin sino sobre solo sólo son sus sí también tan tanto tal tener tiene
    tienen toda todas todavía todo todos tras tres una unas uno unos usa usar uso utiliza utilizar
    vez veces ya según
    """,
    )
)

_Key = tuple[str, str]  # the language and the stem


@dataclass(frozen=True, slots=True)
class Text:
    """A chunk's text, and its language where that is known."""

    text: str
    language: str | None


@dataclass(slots=True)
class _Count:
    """How many texts there are of each language, and how many have each word."""

    num_texts: Counter[str] = field(default_factory=Counter)
    with_word: Counter[_Key] = field(default_factory=Counter)


def name_clusters(clusters: Sequence[Iterable[Text]]) -> list[tuple[str, ...]]:
    """The telling words of each cluster, the one that tells most first; none where it has none."""
    spellings: dict[_Key, Counter[str]] = defaultdict(Counter)
    counts = [_count(texts, spellings) for texts in clusters]
    everything = _Count()
    for count in counts:
        everything.num_texts.update(count.num_texts)
        everything.with_word.update(count.with_word)
    return [
        tuple(
            spellings[key].most_common(1)[0][0]
            for key in _most_telling(count, everything, spellings)
        )
        for count in counts
    ]


def _count(texts: Iterable[Text], spellings: dict[_Key, Counter[str]]) -> _Count:
    count = _Count()
    for text in texts:
        language = text.language or ""
        stems: set[_Key] = set()
        for word in telling_words(text.text, text.language):
            if len(word) < _MIN_CHARS or not word.isalpha() or word in _EMPTY:
                continue
            key = (language, stem(word, text.language))
            spellings[key][word] += 1
            stems.add(key)
        count.num_texts[language] += 1
        count.with_word.update(stems)
    return count


def _most_telling(
    count: _Count, everything: _Count, spellings: dict[_Key, Counter[str]]
) -> list[_Key]:
    total = count.num_texts.total()
    weights = {
        key: number / total * _log_ratio(key, count, everything)
        for key, number in count.with_word.items()
        if number >= _MIN_SHARE * total
    }
    # where weights are equal, what is written more often; at last by the alphabet, not by rows
    best = sorted(
        (-weight, -spellings[key].total(), key) for key, weight in weights.items() if weight > 0
    )
    return [key for *_, key in best[:_NUM_TERMS]]


def _log_ratio(key: _Key, count: _Count, everything: _Count) -> float:
    """How much larger a word's share of its language is here than elsewhere.

    Both as if there were a text more, and half of it had the word: few texts prove little.
    """
    num_here, here = count.num_texts[key[0]], count.with_word[key]
    num_elsewhere = everything.num_texts[key[0]] - num_here
    elsewhere = everything.with_word[key] - here
    return math.log((here + 0.5) / (num_here + 1) * (num_elsewhere + 1) / (elsewhere + 0.5))
