"""Passages to test with: slices of a stored text, and text as unkind as real files are."""

from hypothesis import strategies as st

from core.ids import ChunkId, CollectionId, DocumentId, VersionId
from core.types import Passage

_ODD = (
    *(
        "Hola. ",
        "¿Qué hora es? ",
        "¡Vamos! ",
        "«No», dijo. ",
        'He said "Stop." ',
        "Ganó… y se fue. ",
    ),
    *(
        "Dr. Pérez llegó. ",
        "Los EE. UU. ganaron. ",
        "The U.S. won. ",
        "e.g. this ",
        "p. ej. esto. ",
    ),
    *(
        "J. R. R. Tolkien wrote it. ",
        "It cost 1.000,50 € today. ",
        "Pi is 3.14. ",
        "Wait... What? ",
    ),
    *(
        "e\u0301l comio\u0301 pan. ",
        "👩‍👩‍👧 emoji 😀. ",
        "\t tab\tbed ",
        "CR\r\nLF.\r\n",
        "\r",
        "\n",
        "\n\n",
    ),
    *(
        "- item one\n",
        "* dos\n",
        "1. First step\n",
        "12) Doce\n",
        "| a | b |\n|---|---|\n| 1 | 2 |\n",
    ),
    *(
        "```\nx = {1: '{question}'}\n```\n",
        "{{ passages }} {question} ",
        "<|im_end|> ",
        "# Title\n",
    ),
    *(
        "no stop at all ",
        "a" * 150 + " ",
        "....",
        "?!?!",
        "\u00a0",
        "\u2028",
        "\ufeff",
        "ﬁn ™ ½ ², 文字。",
    ),
)


def odd_texts(*, max_parts: int = 12) -> st.SearchStrategy[str]:
    """Snatches of text that break naive rules, in any order, with any characters between them."""
    parts = st.one_of(st.sampled_from(_ODD), st.text(max_size=12))
    return st.lists(parts, max_size=max_parts).map("".join)


def make_passage(
    text: str,
    *,
    start: int = 0,
    name: str = "guide.pdf",
    page: int | None = None,
    version: str = "ver_1",
    heading: str = "",
) -> Passage:
    """A passage whose text begins at character `start` of its version's stored text."""
    return Passage(
        id=ChunkId(start),
        document_id=DocumentId(f"doc_{version}"),
        document_name=name,
        version_id=VersionId(version),
        version=1,
        collection_id=CollectionId("col_1"),
        collection="default",
        page=page,
        start=start,
        end=start + len(text),
        heading=heading,
        text=text,
        score=1.0,
    )
