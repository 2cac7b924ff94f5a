"""Text measured in a model's own tokens. Loads a tokenizer, never a model."""

import functools
import json
import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Offsets = npt.NDArray[np.int64]

# Encoded piece by piece: a tokenizer keeps some hundred bytes for every token of one call.
_PIECE_CHARS: Final = 32_768
# No token spans white space, so that pieces cut there have the tokens that the whole has.
_PIECE: Final = re.compile(rf"(?s).{{1,{_PIECE_CHARS}}}(?=\s|\Z)|.{{1,{_PIECE_CHARS}}}")


class Tokens(Protocol):
    """Where the tokens of a text are. Thread-safe, and linear in the text."""

    @property
    def max_tokens(self) -> int:
        """The most that the model reads of one text, its own marks and prefix included."""
        ...

    def starts(self, text: str) -> Offsets:
        """Character offset at which each token begins, ascending; several may share one."""
        ...


class FolderTokens:
    """The tokenizer of a sentence-transformers folder. Read at the first use."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()

    @functools.cached_property
    def max_tokens(self) -> int:
        """The most that the model reads of one text, its own marks and prefix included."""
        config = json.loads((self._folder / "sentence_bert_config.json").read_text())
        return int(config["max_seq_length"])

    def starts(self, text: str) -> Offsets:
        """Character offset at which each token begins."""
        with self._lock:
            tokenizer = self._tokenizer
        found: list[int] = []
        for piece in _PIECE.finditer(text):
            encoding = tokenizer.encode(piece[0], add_special_tokens=False)
            found += [piece.start() + start for start, _ in encoding.offsets]
        # Where one character becomes many, they may come out of order.
        return np.maximum.accumulate(np.array(found, dtype=np.int64))

    @functools.cached_property
    def _tokenizer(self) -> "Tokenizer":
        # Imported late: a process that only asks and searches never needs it.
        from tokenizers import Tokenizer  # noqa: PLC0415

        tokenizer = Tokenizer.from_file(str(self._folder / "tokenizer.json"))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return tokenizer
