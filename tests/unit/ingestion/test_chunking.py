"""Chunks are slices: of one page, of one section, never more than they may hold."""

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.chunking import chunk, embedding_text
from ingestion.parsing.document import Heading, ParsedDocument
from ingestion.parsing.markdown import find_headings
from ingestion.spans import ChunkSpan

WORDS = st.text(alphabet="abñé .,\n\t#-*`|", max_size=400)


@st.composite
def documents(draw: st.DrawFn) -> ParsedDocument:
    """Text in pages, or Markdown."""
    pages = draw(st.lists(WORDS, min_size=1, max_size=4))
    if draw(st.booleans()):
        text = "\n".join(pages)
        return ParsedDocument(text, headings=tuple(find_headings(text)))
    starts, length = [], 0
    for page in pages:
        starts.append(length)
        length += len(page)
    text = "".join(pages)
    offsets = draw(st.lists(st.integers(0, max(0, len(text) - 1)), max_size=4))
    headings = tuple(Heading(offset, offset % 3 + 1, f"h{offset}") for offset in sorted(offsets))
    return ParsedDocument(text, tuple(starts), headings)


@settings(deadline=None)  # the machine may be busy
@given(documents(), st.integers(20, 120))
def test_every_chunk_is_a_slice_within_its_limits(parsed: ParsedDocument, max_chars: int) -> None:
    for span in chunk(parsed, max_chars=max_chars, overlap_chars=max_chars // 4):
        text = parsed.text[span.start : span.end]
        assert 0 < len(text) <= max_chars
        assert text == text.strip()
        assert any(char.isalnum() for char in text)
        if parsed.page_starts:
            assert span.page is not None
            following = [*parsed.page_starts, len(parsed.text)][span.page]
            assert parsed.page_starts[span.page - 1] <= span.start < span.end <= following


@settings(deadline=None)  # the machine may be busy
@given(documents())
def test_no_word_is_lost(parsed: ParsedDocument) -> None:
    covered: set[int] = set()
    for span in chunk(parsed, max_chars=50, overlap_chars=0):
        covered.update(range(span.start, span.end))
    lost = [
        index for index, char in enumerate(parsed.text) if char.isalnum() and index not in covered
    ]
    assert not lost


def _markdown(text: str) -> list[tuple[str, str]]:
    parsed = ParsedDocument(text, headings=tuple(find_headings(text)))
    spans = chunk(parsed, max_chars=200, overlap_chars=0)
    return [(span.heading, text[span.start : span.end]) for span in spans]


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


def test_neighbours_share_whole_sentences() -> None:
    sentences = [f"Sentence number {number:02d} is here." for number in range(12)]
    parsed = ParsedDocument(" ".join(sentences))
    spans = chunk(parsed, max_chars=120, overlap_chars=40)
    assert all(later.start < earlier.end for earlier, later in itertools.pairwise(spans))
    assert all(parsed.text[span.start :].startswith("Sentence") for span in spans)


def test_the_place_is_embedded_with_the_text_and_not_stored() -> None:
    span = ChunkSpan(2, 5, None, "Guide > Install")
    assert embedding_text("manual.md", span, "..abc..") == "manual.md > Guide > Install\nabc"
    assert embedding_text("manual.md", ChunkSpan(0, 1, 1, ""), "x") == "manual.md\nx"
