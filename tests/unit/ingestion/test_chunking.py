"""Chunks are slices: of one page, of one section, never more than they may hold."""

import bisect
import itertools

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ingestion.chunking import ChunkSize, chunk, embedding_text
from ingestion.parsing.document import Heading, ParsedDocument
from ingestion.parsing.markdown import find_headings
from ingestion.spans import ChunkSpan
from tests.fakes import FakeTokens

TOKENS = FakeTokens()
WORDS = st.text(alphabet="abñé .,\n\t#-*`|漢。👍\u0301\u200d", max_size=400)
LINES = st.lists(
    st.sampled_from(
        ["# Title", "## Part", "Some words here. And more of them.", "The parts are:", "- item",
         "2. other", "| a | b |", "|---|---|", "| c d | e f |", "x | y", "```", "code = 1", "", ""]
    ),
    max_size=60,
)  # fmt: skip


@st.composite
def documents(draw: st.DrawFn) -> ParsedDocument:
    """Text in pages, or Markdown."""
    if draw(st.booleans()):
        text = draw(st.one_of(WORDS, LINES.map("\n".join)))
        return ParsedDocument(text, headings=tuple(find_headings(text)))
    starts, length = [], 0
    pages = draw(st.lists(WORDS, min_size=1, max_size=4))
    for page in pages:
        starts.append(length)
        length += len(page)
    text = "".join(pages)
    offsets = draw(st.lists(st.integers(0, max(0, len(text) - 1)), max_size=4))
    headings = tuple(Heading(offset, offset % 3 + 1, f"h{offset}") for offset in sorted(offsets))
    return ParsedDocument(text, tuple(starts), headings)


@st.composite
def sizes(draw: st.DrawFn) -> ChunkSize:
    """Small ones, so that every kind of cut is needed."""
    max_tokens = draw(st.integers(2, 30))
    return ChunkSize(max_tokens, draw(st.integers(0, max_tokens // 2)))


def _count(text: str, start: int, end: int) -> int:
    starts = TOKENS.starts(text)
    return bisect.bisect_left(starts, end) - bisect.bisect_left(starts, start)


@settings(deadline=None)  # the machine may be busy
@given(documents(), sizes())
@example(ParsedDocument("``.``。 a", page_starts=(0,)), ChunkSize(max_tokens=2, overlap_tokens=1))
def test_every_chunk_is_a_slice_within_its_limits(parsed: ParsedDocument, size: ChunkSize) -> None:
    for span in chunk(parsed, TOKENS, size):
        text = parsed.text[span.start : span.end]
        assert text
        assert text == text.strip()
        assert any(char.isalnum() for char in text)
        header = 0 if span.header is None else _count(parsed.text, *span.header)
        assert _count(parsed.text, span.start, span.end) + header <= size.max_tokens
        if parsed.page_starts:
            assert span.page is not None
            following = [*parsed.page_starts, len(parsed.text)][span.page]
            assert parsed.page_starts[span.page - 1] <= span.start < span.end <= following


@settings(deadline=None)  # the machine may be busy
@given(documents(), sizes())
def test_no_word_is_lost(parsed: ParsedDocument, size: ChunkSize) -> None:
    covered: set[int] = set()
    for span in chunk(parsed, TOKENS, size):
        covered.update(range(span.start, span.end))
    lost = [
        index for index, char in enumerate(parsed.text) if char.isalnum() and index not in covered
    ]
    assert not lost


@settings(deadline=None)  # the machine may be busy
@given(documents(), sizes())
def test_chunks_are_in_order_and_share_no_more_than_they_may(
    parsed: ParsedDocument, size: ChunkSize
) -> None:
    spans = chunk(parsed, TOKENS, size)
    for earlier, later in itertools.pairwise(spans):
        assert earlier.start < later.start
        assert earlier.end < later.end
        assert _count(parsed.text, later.start, earlier.end) <= size.overlap_tokens
    assert chunk(parsed, TOKENS, size) == spans


def _cut(text: str, max_tokens: int = 40, overlap_tokens: int = 0) -> list[ChunkSpan]:
    parsed = ParsedDocument(text, headings=tuple(find_headings(text)))
    return chunk(parsed, TOKENS, ChunkSize(max_tokens, overlap_tokens))


def _markdown(text: str, max_tokens: int = 40) -> list[tuple[str, str]]:
    return [(span.heading, text[span.start : span.end]) for span in _cut(text, max_tokens)]


def test_a_chunk_stands_under_the_path_of_its_headings() -> None:
    found = _markdown("# Guide\nIntro.\n## Install\nRun it.\n# Other\nText.\n")
    assert found == [
        ("Guide", "# Guide\nIntro."),
        ("Guide > Install", "## Install\nRun it."),
        ("Other", "# Other\nText."),
    ]


def test_a_heading_alone_joins_the_section_below_it() -> None:
    assert _markdown("# Guide\n\n## Install\n\nRun it.\n") == [
        ("Guide > Install", "# Guide\n\n## Install\n\nRun it.")
    ]


def test_long_sections_are_cut_between_paragraphs_first() -> None:
    one, two = "First sentence here. " * 6, "Second paragraph now. " * 6
    assert [text for _, text in _markdown(f"# T\n\n{one}\n\n{two}")] == [
        f"# T\n\n{one.strip()}",
        two.strip(),
    ]


def test_long_paragraphs_are_cut_between_sentences() -> None:
    text = " ".join(f"Sentence number {number:02d} is here." for number in range(12))
    found = [text[span.start : span.end] for span in _cut(text, 25)]
    assert all(part.startswith("Sentence") and part.endswith("here.") for part in found)
    assert " ".join(found) == text


def test_neighbours_share_whole_sentences() -> None:
    text = " ".join(f"Sentence number {number:02d} is here." for number in range(12))
    spans = _cut(text, 25, 10)
    assert all(later.start < earlier.end for earlier, later in itertools.pairwise(spans))
    assert all(text[span.start :].startswith("Sentence") for span in spans)


def test_a_table_that_fits_is_not_cut() -> None:
    table = "| a | b |\n|---|---|\n" + "| c | d |\n" * 3
    before = "Words before it. " * 6
    found = [text for _, text in _markdown(f"{before}\n\n{table}\n\nAfter it.", 50)]
    assert found == [before.strip(), f"{table}\n\nAfter it."]


def test_rows_of_a_long_table_name_its_header_when_embedded() -> None:
    head = "| name | price |\n|---|---|\n"
    text = "# Prices\n\n" + head + "".join(f"| thing {row} | {row}0 |\n" for row in range(30))
    first, *others = _cut(text, 60)
    assert first.header is None
    assert text[first.start :].startswith("# Prices\n\n| name")
    assert others
    for span in others:
        assert span.header is not None
        assert text[slice(*span.header)] == head
        assert text[span.start :].startswith("| thing")
        assert text[span.end - 3 : span.end] == "0 |"
        embedded = embedding_text("list.md", span, text, TOKENS)
        assert embedded.startswith(f"list.md > Prices\n{head}| thing")


def test_rows_without_a_rule_below_their_header_are_a_table_too() -> None:
    text = "item | 2016 | 2015\n" + "net revenue | 644 | 637\n" * 20
    headers = [span.header for span in _cut(text, 40)]
    assert headers[0] is None
    assert {text[slice(*header)] for header in headers if header} == {"item | 2016 | 2015\n"}
    assert len([header for header in headers if header]) == len(headers) - 1


def test_code_is_cut_between_lines_only() -> None:
    lines = [f"value_{line} = compute(a, b)  # Note. And why." for line in range(20)]
    text = "```python\n" + "\n".join(lines) + "\n```"
    for _, part in _markdown(text, 60):
        assert set(part.splitlines()) <= {*lines, "```python", "```"}


def test_a_list_stays_with_what_leads_to_it() -> None:
    filler = "Some words of the page. " * 5
    text = f"{filler}\n\nThe doors are:\n\n- the red one\n- the green one\n- the blue one\n"
    assert [part for _, part in _markdown(text, 35)] == [
        filler.strip(),
        "The doors are:\n\n- the red one\n- the green one\n- the blue one",
    ]


def test_a_long_list_is_cut_between_items() -> None:
    items = [f"- Item {number}. It has two sentences." for number in range(12)]
    for _, part in _markdown("\n".join(items), 30):
        assert set(part.splitlines()) <= set(items)


def test_a_letter_keeps_its_marks() -> None:
    text = "e\u0301" * 50 + "a👩\u200d👧" * 50
    for span in chunk(ParsedDocument(text), CharTokens(), ChunkSize(7, 0)):
        assert not text[span.start : span.end].startswith(("\u0301", "\u200d", "👧"))


class CharTokens:
    """Every character is a token, so that a chunk may end anywhere."""

    max_tokens = 512

    def starts(self, text: str) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """Every offset."""
        return np.arange(len(text), dtype=np.int64)


@pytest.mark.parametrize(
    "text",
    [
        "a" * 300_000,
        "word " * 60_000,
        "漢字" * 150_000,
        "👩\u200d👧" * 100_000,
        "e" + "\u0301" * 300_000,
        "x" + " " * 300_000 + "y",
        "\n" * 300_000 + "end",
        "# Title\n" * 40_000,
        "# Title\ntext\n" * 20_000,
        "- item\n" * 40_000,
        "| a | b |\n" * 30_000,
        "a | " * 70_000,
        "```\n" * 70_000,
        "." * 300_000,
        ".)" * 150_000,
        "-" * 300_000 + "x",
        "|-" * 150_000 + "x",
        " \t" * 150_000 + "-x",
    ],
    ids=lambda text: ascii(text[:8]),
)
def test_strange_text_is_cut_in_a_time_that_grows_with_it(text: str) -> None:
    # Were any step quadratic, this would take minutes.
    parsed = ParsedDocument(text, headings=tuple(find_headings(text)))
    spans = chunk(parsed, CharTokens(), ChunkSize(200, 40))
    assert all(span.end - span.start <= 200 for span in spans)
    letters = sum(char.isalnum() for char in text)
    assert sum(char.isalnum() for span in spans for char in text[span.start : span.end]) >= letters


def test_the_place_is_embedded_with_the_text_and_not_stored() -> None:
    span = ChunkSpan(2, 5, None, "Guide > Install")
    embedded = embedding_text("manual.md", span, "..abc..", TOKENS)
    assert embedded == "manual.md > Guide > Install\nabc"
    assert embedding_text("manual.md", ChunkSpan(0, 1, 1, ""), "x", TOKENS) == "manual.md\nx"


def test_a_long_place_leaves_the_model_room_for_the_chunk() -> None:
    place = " > ".join(f"part {number}" for number in range(200))
    embedded = embedding_text("a.md", ChunkSpan(0, 1, 1, place), "x", TOKENS)
    assert len(TOKENS.starts(embedded)) == 64 + 1
    assert embedded.endswith("part 198 > part 199\nx")


def test_a_chunk_is_no_longer_than_the_model_reads() -> None:
    text = "word " * 2000
    spans = _cut(text, 5000)
    assert max(_count(text, span.start, span.end) for span in spans) == TOKENS.max_tokens - 72
