"""Scanned pages are read as a person reads them."""

from ingestion.parsing.reading_order import Piece, reading_order


def _texts(*pieces: Piece) -> list[str]:
    return [" ".join(piece.text for piece in row) for row in reading_order(pieces)]


def test_nothing_is_in_order() -> None:
    assert reading_order([]) == []


def test_rows_come_from_the_top_and_pieces_from_the_left() -> None:
    assert _texts(
        Piece("b", 50, 11, 90, 21), Piece("c", 0, 30, 40, 40), Piece("a", 0, 10, 40, 20)
    ) == ["a b", "c"]


def test_columns_are_read_one_after_the_other_below_their_title() -> None:
    title = Piece("title", 0, 0, 210, 12)
    left = [Piece(f"left {n}", 0, 20 + 15 * n, 100, 30 + 15 * n) for n in range(5)]
    right = [Piece(f"right {n}", 110, 20 + 15 * n, 210, 30 + 15 * n) for n in range(5)]
    mixed = [piece for pair in zip(left, right, strict=True) for piece in pair]
    expected = [piece.text for piece in (title, *left, *right)]
    assert _texts(*mixed, title) == expected


def test_cells_of_a_table_stay_in_their_rows() -> None:
    names = [Piece(f"name {n}", 0, 15 * n, 30 + 60 * (n % 3 == 0), 10 + 15 * n) for n in range(6)]
    values = [Piece(str(n), 110, 15 * n, 120, 10 + 15 * n) for n in range(6)]
    assert _texts(*values, *names) == [f"name {n} {n}" for n in range(6)]
