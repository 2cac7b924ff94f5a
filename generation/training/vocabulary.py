"""Train a byte-level BPE vocabulary on a folder of text and write it as a tokenizer folder.

Every byte is a token, so that any text can be encoded; digits stand alone, so that numbers are
spelled alike wherever they occur. Run it as `python -m generation.training.vocabulary --help`.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from core.durable import replace_text
from generation.training.corpus import MIN_CHARS, CorpusCounts, iterate_texts
from generation.training.errors import OptionError
from generation.training.messages import Report, print_line, run_command

END_OF_TEXT: Final = "<|endoftext|>"
SPECIAL_TOKENS: Final = (END_OF_TEXT, "<|im_start|>", "<|im_end|>")
MIN_VOCAB_SIZE: Final = len(SPECIAL_TOKENS) + 256
MAX_VOCAB_SIZE: Final = 1 << 20

CHAT_TEMPLATE: Final = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def train_tokenizer(
    data: Path, out: Path, *, vocab_size: int, min_chars: int = MIN_CHARS, report: Report
) -> Tokenizer:
    """Learn merges from the cleaned texts of `data` and write the tokenizer's files to `out`.

    Equal folders give equal files. A small folder may give fewer tokens than asked for.
    """
    if not MIN_VOCAB_SIZE <= vocab_size <= MAX_VOCAB_SIZE:
        raise OptionError(
            f"--vocab-size must be from {MIN_VOCAB_SIZE} (bytes and special tokens) "
            f"to {MAX_VOCAB_SIZE}, got {vocab_size}"
        )
    if (out / "tokenizer.json").exists():
        raise OptionError(f"--out: {out} holds a tokenizer already; name another folder")
    counts = CorpusCounts()
    tokenizer = build_untrained()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=2,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(iterate_texts(data, counts, min_chars=min_chars), trainer)
    for line in counts.lines():
        report(line)
    write_tokenizer(tokenizer, out)
    found = tokenizer.get_vocab_size()
    short = (
        "" if found == vocab_size else f" ({vocab_size:,} were asked for: the text gives no more)"
    )
    report(f"wrote {out}: {found:,} tokens{short}")
    return tokenizer


def build_untrained() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def write_tokenizer(tokenizer: Tokenizer, out: Path) -> None:
    """Write tokenizer.json and tokenizer_config.json, as transformers and our engine read them."""
    out.mkdir(parents=True, exist_ok=True)
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": END_OF_TEXT,
        "eos_token": END_OF_TEXT,
        "pad_token": END_OF_TEXT,
        "unk_token": None,
        "additional_special_tokens": list(SPECIAL_TOKENS[1:]),
        "clean_up_tokenization_spaces": False,
        "chat_template": CHAT_TEMPLATE,
    }
    replace_text(out / "tokenizer_config.json", json.dumps(config, indent=2) + "\n")
    # last: a folder with this file is a whole tokenizer
    replace_text(out / "tokenizer.json", tokenizer.to_str(pretty=True))


def load_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer of a folder, for plain text: control tokens inside a text stay text.

    Raises OptionError when the folder holds none, or one without an end-of-text token.
    """
    path = folder / "tokenizer.json"
    try:
        written = path.read_text(encoding="utf-8")
        json.loads(written)
    except (OSError, ValueError, RecursionError) as error:
        raise OptionError(
            f"--tokenizer: {path} cannot be read ({error}); 'cimiento train tokenizer' makes one"
        ) from error
    tokenizer = Tokenizer.from_str(written)
    get_boundary(tokenizer)
    tokenizer.no_padding()
    tokenizer.no_truncation()
    tokenizer.encode_special_tokens = True
    return tokenizer


def get_boundary(tokenizer: Tokenizer) -> int:
    """The id of the token that stands before and after every document."""
    token: int | None = tokenizer.token_to_id(END_OF_TEXT)
    if token is None:
        raise OptionError(f"--tokenizer: the tokenizer has no {END_OF_TEXT} token")
    return token


def main(arguments: Sequence[str] | None = None, *, program: str | None = None) -> int:
    """Parse, train, and return the exit code: 0 done, 1 refused."""
    options = build_parser(program).parse_args(arguments)
    return run_command(
        lambda: train_tokenizer(
            options.data,
            options.out,
            vocab_size=options.vocab_size,
            min_chars=options.min_chars,
            report=print_line,
        )
    )


def build_parser(program: str | None = None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program, description="Train a byte-level BPE tokenizer on a folder of text."
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of .txt, .md and .jsonl")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--vocab-size", type=int, required=True, help="tokens, bytes included")
    parser.add_argument(
        "--min-chars", type=int, default=MIN_CHARS, help="leave shorter documents out (%(default)s)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
