"""What a model that was trained to read writes where the passages do not answer. Pure.

The words were chosen so that hardly any answer begins like them: the first token decides.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from generation.language import Language
from generation.words import fold

REFUSALS: Final[Mapping[Language, str]] = MappingProxyType(
    {"en": "Not in the passages.", "es": "No está en los pasajes."}
)
_FOLDED: Final = tuple(fold(text).rstrip(".") for text in REFUSALS.values())


def is_refusal(text: str) -> bool:
    """Whether a text says, as the reader was taught to, that the passages do not answer."""
    return fold(" ".join(text.split())).startswith(_FOLDED)
