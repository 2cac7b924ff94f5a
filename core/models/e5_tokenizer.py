"""The tokenizer files of an E5 folder, written as plain JSON. Reads no file, imports no tokenizer.

The packed file maps each code point on its own. Over all of Unicode that map equals NMT followed by
NFKC but for two code points (U+FF5E, which it keeps, and U+1F23B, which it does not know), so the
tokenizer says NMT and NFKC, which also compose decomposed accents as the upstream tokenizer does.
Text is stripped and runs of spaces collapse, as SentencePiece does for this vocabulary.
"""

from core.models.e5_format import E5Vocabulary

METASPACE = "\N{LOWER ONE EIGHTH BLOCK}"
MASK = "<mask>"


def build_tokenizer(vocabulary: E5Vocabulary) -> dict[str, object]:
    """The content of tokenizer.json: a Unigram model between <s> and </s>."""
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": _added_tokens(vocabulary),
        "normalizer": {
            "type": "Sequence",
            "normalizers": [
                {"type": "Nmt"},
                {"type": "NFKC"},
                {"type": "Strip", "strip_left": True, "strip_right": True},
                {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "},
            ],
        },
        "pre_tokenizer": _metaspace(),
        "post_processor": _wrap_in_specials(vocabulary),
        "decoder": _metaspace(),
        "model": {
            "type": "Unigram",
            "unk_id": vocabulary.unk,
            "vocab": [
                [piece, score]
                for piece, score in zip(vocabulary.pieces, vocabulary.scores, strict=True)
            ],
            "byte_fallback": False,
        },
    }


def build_special_tokens(vocabulary: E5Vocabulary) -> dict[str, object]:
    """The content of special_tokens_map.json; an E5 tokenizer names its specials as XLM-R does."""
    bos, eos = vocabulary.pieces[vocabulary.bos], vocabulary.pieces[vocabulary.eos]
    names: dict[str, object] = {
        "bos_token": bos,
        "cls_token": bos,
        "eos_token": eos,
        "sep_token": eos,
        "pad_token": vocabulary.pieces[vocabulary.pad],
        "unk_token": vocabulary.pieces[vocabulary.unk],
    }
    if MASK in vocabulary.pieces:
        names["mask_token"] = MASK
    return names


def build_tokenizer_config(vocabulary: E5Vocabulary, *, max_tokens: int) -> dict[str, object]:
    """The content of tokenizer_config.json. The class is the plain one: it takes the file as is."""
    return {
        **build_special_tokens(vocabulary),
        "clean_up_tokenization_spaces": False,
        "model_input_names": ["input_ids", "attention_mask"],
        "model_max_length": max_tokens,
        "padding_side": "right",
        "tokenizer_class": "PreTrainedTokenizerFast",
        "truncation_side": "right",
    }


def _metaspace() -> dict[str, object]:
    return {
        "type": "Metaspace",
        "replacement": METASPACE,
        "prepend_scheme": "always",
        "split": True,
    }


def _added_tokens(vocabulary: E5Vocabulary) -> list[dict[str, object]]:
    ids = {vocabulary.bos, vocabulary.pad, vocabulary.eos, vocabulary.unk}
    if MASK in vocabulary.pieces:
        ids.add(vocabulary.pieces.index(MASK))
    return [
        {
            "id": number,
            "content": vocabulary.pieces[number],
            "single_word": False,
            "lstrip": vocabulary.pieces[number] == MASK,
            "rstrip": False,
            "normalized": False,
            "special": True,
        }
        for number in sorted(ids)
    ]


def _wrap_in_specials(vocabulary: E5Vocabulary) -> dict[str, object]:
    bos, eos = vocabulary.pieces[vocabulary.bos], vocabulary.pieces[vocabulary.eos]

    def special(token: str) -> dict[str, object]:
        return {"SpecialToken": {"id": token, "type_id": 0}}

    def text(name: str) -> dict[str, object]:
        return {"Sequence": {"id": name, "type_id": 0}}

    return {
        "type": "TemplateProcessing",
        "single": [special(bos), text("A"), special(eos)],
        "pair": [
            special(bos),
            text("A"),
            special(eos),
            special(eos),
            text("B"),
            special(eos),
        ],
        "special_tokens": {
            token: {"id": token, "ids": [number], "tokens": [token]}
            for token, number in ((bos, vocabulary.bos), (eos, vocabulary.eos))
        },
    }
