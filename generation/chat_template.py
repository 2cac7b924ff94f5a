"""Render a model's chat template. What a message says stays text: it never becomes a control token.

Every message's content is fenced between two marks that nobody can guess. In the rendered prompt,
control tokens count only outside the fences. The marks are then dropped and the text on both sides
of a fence is joined again, so that merges across it come out as if it had never been there.
"""

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from jinja2 import TemplateSyntaxError

from generation.engine.errors import EngineError
from generation.template_sandbox import TEMPLATE_FAULTS, TemplateSandbox
from generation.types import Message

_CUTS = "the chat template cuts messages apart, which is unsafe"


class ChatTemplateError(EngineError):
    """A chat template is missing, broken, or refuses these messages; the message says which."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a rendered prompt: one control token, or plain text."""

    text: str
    is_control: bool


class ChatTemplate:
    """A jinja2 template from a model file: code from outside, so it runs in a sandbox."""

    def __init__(self, source: str, *, bos_token: str = "", eos_token: str = "") -> None:
        self._variables = {"bos_token": bos_token, "eos_token": eos_token}
        try:
            self._sandbox = TemplateSandbox(source)
        except TemplateSyntaxError as error:
            raise ChatTemplateError(
                f"the chat template does not parse: {error.message} (line {error.lineno})"
            ) from error
        except TEMPLATE_FAULTS as error:
            raise ChatTemplateError(f"the chat template does not parse: {error}") from error

    def render(
        self,
        messages: Sequence[Message],
        *,
        control_pattern: re.Pattern[str],
        add_generation_prompt: bool,
    ) -> list[Piece]:
        """`control_pattern` has one group: any control token."""
        for message in messages:
            if not message.role.isidentifier():  # a role is template text: it is not fenced
                raise ChatTemplateError(f"{message.role!r} is not a role; use system or user")
        fence = _Fence(secrets.token_hex(16))
        plain = [{"role": m.role, "content": fence.enclose(m.content)} for m in messages]
        try:
            rendered = self._sandbox.render(
                {
                    "messages": plain,
                    "add_generation_prompt": add_generation_prompt,
                    **self._variables,
                },
                num_chars=sum(len(message.content) for message in messages),
                num_messages=len(messages),
            )
        except TEMPLATE_FAULTS as error:
            raise ChatTemplateError(f"the chat template refuses: {error}") from error
        return fence.split(rendered, control_pattern)


class _Fence:
    def __init__(self, nonce: str) -> None:
        self._open = f"\ue000{nonce}\ue001"
        self._close = f"\ue001{nonce}\ue000"

    def enclose(self, content: str) -> str:
        """Fence the content but not the white space around it, which some templates trim."""
        core = content.strip()
        if not core:
            return content
        before, after = content.split(core, 1)
        return f"{before}{self._open}{core}{self._close}{after}"

    def split(self, rendered: str, control_pattern: re.Pattern[str]) -> list[Piece]:
        pieces: list[Piece] = []
        text = ""
        inside = False
        for part in re.split(f"({self._open}|{self._close})", rendered):
            if part in (self._open, self._close):
                if inside == (part == self._open):
                    raise ChatTemplateError(_CUTS)
                inside = not inside
            elif inside:
                text += part
            else:
                before, *found = control_pattern.split(part)
                text += before
                for control, after in zip(found[::2], found[1::2], strict=True):
                    pieces += [Piece(text, is_control=False), Piece(control, is_control=True)]
                    text = after
        if inside:
            raise ChatTemplateError(_CUTS)
        pieces.append(Piece(text, is_control=False))
        return [piece for piece in pieces if piece.text]
