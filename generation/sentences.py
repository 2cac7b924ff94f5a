"""Cut text into sentences by rules for English and Spanish. Offsets only: text is never changed."""

import re
from collections.abc import Iterator

# A stop, optional closing quotes or brackets, then white space before what can open a sentence.
_BREAK = re.compile(
    r"""(?P<stop>[.!?…]+["'”’»)\]]*)\s+(?=["'“‘«(\[¿¡]*[\wÁÉÍÓÚÑ])"""  # noqa: RUF001 - real quotes
    r"|(?P<blank>\s*\n\s*\n\s*)|(?P<item>\n\s*(?=(?:[-*•+]|\d{1,3}[.)])\s))",
)
_ABBREVIATION = re.compile(
    r"(?<!\w)(?:[A-ZÁÉÍÓÚÑ]|Mr|Mrs|Ms|Dr|Drs|Prof|St|Sr|Jr|Gen|Col|Lt|Sgt|Capt|Rev|Hon|No|"
    r"Nos|Vol|Fig|Figs|Eq|Sec|Ch|pp|vs|etc|cf|al|ca|approx|Inc|Ltd|Co|Corp|Jan|Feb|Mar|Apr|Jun|Jul|"
    r"Aug|Sept|Sep|Oct|Nov|Dec|[eE]\.g|[iI]\.e|[UuPpAa]\.[SsMmKk]|Sra|Srta|Dra|Ud|Uds|Vd|pág|págs|"
    r"núm|núms|art|arts|cap|aprox|EE|UU|a\.C|d\.C|p\.ej)\.$"
)


def split_sentences(text: str) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of every sentence, without the white space around it."""
    start = 0
    for found in _BREAK.finditer(text):
        end = found.end("stop") if found["stop"] else found.start()
        if found["stop"] == "." and _is_abbreviation(text, start, end, found.end()):
            continue
        yield from _trimmed(text, start, end)
        start = found.end()
    yield from _trimmed(text, start, len(text))


def _is_abbreviation(text: str, start: int, end: int, following: int) -> bool:
    if text[following].islower():
        return True
    return _ABBREVIATION.search(text, max(start, end - 12), end) is not None


def _trimmed(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    if start < end:
        yield start, end
