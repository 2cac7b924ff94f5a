"""Text to token ids and back, one interface for every model. Text never becomes a control token.

Control tokens (end of turn, start of turn...) enter a prompt only where the chat template writes
them: "<|im_end|>" in a question or a document is encoded as those characters.
"""

import codecs
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from generation.chat_template import ChatTemplate, ChatTemplateError
from generation.tokenizer_codecs import Codec
from generation.types import Message

# how a chat model may end its turn, beside the ids its file names
END_OF_TURN: Final = frozenset(
    {"<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|end_of_text|>", "<|eom_id|>", "<end_of_turn>"}
)


class Tokenizer:
    """Encoding and decoding are inverse for any text that is valid Unicode, but for what a model's
    own rules change: SentencePiece's "▁" is a space, and a checkpoint may normalise characters.
    """

    def __init__(
        self,
        codec: Codec,
        *,
        control_ids: frozenset[int],
        stop_ids: frozenset[int] = frozenset(),
        opening_ids: Sequence[int] = (),
        template: ChatTemplate | None = None,
    ) -> None:
        self._codec = codec
        self._control_ids = control_ids
        spelt = {codec.tokens[i]: i for i in sorted(control_ids, reverse=True)}
        self._control_of = {name: token_id for name, token_id in spelt.items() if name}
        # the longest first: one control token may begin with another
        names = sorted(self._control_of, key=len, reverse=True)
        self._control_pattern = re.compile("(" + ("|".join(map(re.escape, names)) or "(?!)") + ")")
        self._stop_ids = stop_ids
        self._opening_ids = tuple(opening_ids)
        self._template = template

    @property
    def vocab_size(self) -> int:
        return len(self._codec.tokens)

    @property
    def control_ids(self) -> frozenset[int]:
        return self._control_ids

    @property
    def control_tokens(self) -> Mapping[str, int]:
        """How every control token is written in a chat template, and its id."""
        return self._control_of

    @property
    def stop_ids(self) -> frozenset[int]:
        """Ids that end a turn; pass them as `SamplingParams.stop_ids`."""
        return self._stop_ids

    @property
    def opening_ids(self) -> tuple[int, ...]:
        """What a prompt without a chat template begins with: a beginning-of-text token, or none."""
        return self._opening_ids

    @property
    def has_template(self) -> bool:
        return self._template is not None

    def encode(self, text: str) -> list[int]:
        """Plain text to ids: never a control token, whatever the text says."""
        # a lone surrogate (JSON allows "\\ud800") has no UTF-8 form; it becomes a question mark
        sound = text.encode("utf-8", errors="replace").decode("utf-8")
        ids = self._codec.encode(sound)
        return self._encode_apart(sound) if not self._control_ids.isdisjoint(ids) else ids

    def _encode_apart(self, text: str) -> list[int]:
        """A vocabulary whose ordinary rules spell a control token gets it in two parts."""
        ids: list[int] = []
        for part in self._control_pattern.split(text):
            if part in self._control_of:
                halves = (part[:1], part[1:])
                ids += [i for half in halves if half for i in self._codec.encode(half)]
            elif part:
                ids += self._codec.encode(part)
        return [token_id for token_id in ids if token_id not in self._control_ids]

    def decode(self, ids: Iterable[int]) -> str:
        """Ids to text; control tokens are left out, bytes that are not UTF-8 become U+FFFD."""
        text = b"".join(map(self.token_bytes, ids)).decode("utf-8", errors="replace")
        return text.removeprefix(" ") if self._codec.adds_space else text

    def token_bytes(self, token_id: int) -> bytes:
        """The bytes a token stands for; none for a control token or an id without a token."""
        return b"" if token_id in self._control_ids else self._codec.token_bytes(token_id)

    def stream_decoder(self) -> "StreamDecoder":
        return StreamDecoder(self, drops_space=self._codec.adds_space)

    def render_chat(
        self, messages: Sequence[Message], *, add_generation_prompt: bool = True
    ) -> list[int]:
        """The prompt for a conversation, in the model's own chat template.

        Raises ChatTemplateError when the model has no template or it refuses the messages.
        """
        if self._template is None:
            raise ChatTemplateError(
                "the model has no chat template: it continues text and was not trained to chat; "
                "use a chat model"
            )
        pieces = self._template.render(
            messages,
            control_pattern=self._control_pattern,
            add_generation_prompt=add_generation_prompt,
        )
        ids: list[int] = []
        for piece in pieces:
            ids += [self._control_of[piece.text]] if piece.is_control else self.encode(piece.text)
        return ids


class StreamDecoder:
    """Ids to text as they come. A character is held back until its last byte has arrived."""

    def __init__(self, tokenizer: Tokenizer, *, drops_space: bool = False) -> None:
        self._tokenizer = tokenizer
        self._drops_space = drops_space
        self._utf8 = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def push(self, token_id: int) -> str:
        text = self._utf8.decode(self._tokenizer.token_bytes(token_id))
        if text and self._drops_space:
            self._drops_space = False
            return text.removeprefix(" ")
        return text

    def flush(self) -> str:
        """What is left at the end: U+FFFD for a character that was never completed."""
        return self._utf8.decode(b"", final=True)
