"""Words of opposite meaning: a short list of pairs, and prefixes. English and Spanish; no
dictionary.
"""

from collections import defaultdict
from collections.abc import Set
from typing import Final

from generation.words import stems, whole_words

_PAIRS: Final = """
    more less, most least, best worst, first last, before after, high low, highest lowest,
    largest smallest, increase decrease, rise fall, north south, east west, big small, win lose,
    begin end, oldest newest, majority minority, strong weak, inside outside, easy difficult,
    fast slow, maximum minimum, always never, public private, male female, unique common,
    same different, early late, include exclude, accept reject, allow forbid, oldest latest,
    until after, since until, only several, upper lower, left right, north east, south west,
    mas menos, mayor menor, mejor peor, primero ultimo, antes despues, alto bajo, alta baja,
    aumentar disminuir, aumentar reducir, norte sur, este oeste, grande pequeno, nuevo viejo,
    ganar perder, comenzar terminar, inicio final, mayoria minoria, fuerte debil, dentro fuera,
    facil dificil, rapido lento, maximo minimo, siempre nunca, publico privado, interno externo,
    positivo negativo, igual diferente, temprano tarde, incluir excluir, aceptar rechazar,
    permitir prohibir, hombre mujer, antiguo reciente, antigua reciente, antiguo nuevo,
    despues hasta, desde hasta, superior inferior, izquierda derecha, norte este, sur oeste,
    ligero pesado, cerca lejos, comprar vender, abrir cerrar
"""


def _read(pairs: str) -> dict[str, set[str]]:
    opposites: defaultdict[str, set[str]] = defaultdict(set)
    for pair in pairs.split(","):
        one, other = stems(pair)
        opposites[one].add(other)
        opposites[other].add(one)
    return dict(opposites)


_OPPOSITES: Final = _read(_PAIRS)
# "independent" and "dependent", "ilegal" and "legal"; what is left must be long enough to tell.
_DENYING: Final = ("in", "im", "ir", "il", "un", "dis", "des", "non")
_MIN_LEFT: Final = 4


def count_opposed(question: str, text: str) -> int:
    """How many words of a question a text lacks, while it holds an opposite of theirs."""
    asked, held = set(stems(question)), set(stems(text))
    by_pair = sum(not held.isdisjoint(_OPPOSITES.get(stem, frozenset())) for stem in asked - held)
    asked_words, held_words = set(whole_words(question)), set(whole_words(text))
    only_asked, only_held = asked_words - held_words, held_words - asked_words
    by_prefix = len(_undenied(only_held) & asked - held) + len(_undenied(only_asked) & held - asked)
    return by_pair + by_prefix


def _undenied(words: Set[str]) -> set[str]:
    """The stems of the words without a prefix that denies."""
    return {
        stems(word[len(prefix) :])[0]
        for word in words
        for prefix in _DENYING
        if word.startswith(prefix) and len(word) - len(prefix) >= _MIN_LEFT
    }
