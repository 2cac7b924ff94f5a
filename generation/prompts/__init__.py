"""Versioned prompt templates. Text from documents fills a place in them and is never parsed."""

from generation.prompts.builtin import (
    DEFAULT_PROMPT,
    PromptNotFoundError,
    builtin_prompts,
    builtin_source,
    find_prompt,
    load_prompt,
    not_found,
    split_reference,
)
from generation.prompts.source import BadPromptError, SourceFault, read_template
from generation.prompts.template import FewShot, PromptTemplate, PromptTexts

__all__ = [
    "DEFAULT_PROMPT",
    "BadPromptError",
    "FewShot",
    "PromptNotFoundError",
    "PromptTemplate",
    "PromptTexts",
    "SourceFault",
    "builtin_prompts",
    "builtin_source",
    "find_prompt",
    "load_prompt",
    "not_found",
    "read_template",
    "split_reference",
]
