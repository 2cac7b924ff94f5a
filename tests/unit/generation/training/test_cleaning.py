"""Characters, lines and whole texts that teach nothing are dropped, in any language."""

import random
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation.training.cleaning import clean, find_fault
from tests.unit.generation.training.texts import write_text


def test_characters_take_one_form_and_invisible_ones_go() -> None:
    assert clean("cafe\u0301\r\na\x00b\x0cc\u00add\ufeff\u00a0e  \nf\n\n\n\ng\n") == (
        "café\nabcd e\nf\n\ng"
    )


def test_lines_that_return_on_every_page_go_whatever_their_numbers() -> None:
    page = "Annual report 2025, page {}\n\nParagraph {} says something of its own.\n"
    text = clean("".join(page.format(n, "abcdef"[n]) for n in range(6)))
    assert "Annual report" not in text
    assert text.count("Paragraph") == 6


def test_code_lists_dialogue_and_tables_may_repeat_their_lines() -> None:
    text = "```python\n    return None\n}\n- item\n| a | b |\nROMEO:\nAlas.\n" * 5
    assert clean(text) == text.strip("\n")


def test_encoded_data_is_cut_out_of_a_text() -> None:
    assert clean("before\n" + "QUJD" * 200 + "\nafter") == "before\n\nafter"


def test_marks_without_end_on_one_letter_do_not_take_for_ever() -> None:
    began = time.thread_time()
    text = clean("a" + "\u0301\u0323" * 50_000)
    assert time.thread_time() - began < 2  # normalising all of them takes seven seconds
    assert len(text) < 40


@given(st.text())
def test_cleaned_text_is_normal_encodable_and_clean(text: str) -> None:
    cleaned = clean(text)
    assert unicodedata.is_normalized("NFC", cleaned)
    cleaned.encode("utf-8")  # no half of a character is left
    assert not {c for c in cleaned if unicodedata.category(c) == "Cc"} - {"\n", "\t"}


@pytest.mark.parametrize(
    "text",
    [
        write_text(seed=0),
        "La ley del año siguiente no cambió nada; los vecinos, sí. " * 3 + write_text(seed=1),
        "हिन्दी में लिखा हुआ यह छोटा सा पाठ केवल यह जाँचने के लिए है कि नियम हर भाषा में चलते हैं।",
        "ภาษาไทยไม่มีช่องว่างระหว่างคำ แต่ข้อความนี้ก็ควรผ่านการตรวจสอบได้เช่นกันโดยไม่มีปัญหาใด",
        "这是一段中文文字。词与词之间没有空格。但是它同样应该通过所有的检查。规则不依赖任何语言。",
        "def add(a: int, b: int) -> int:\n    return a + b\n\nassert add(2, 3) == 5  # five\n",
    ],
)
def test_good_text_of_any_language_stays(text: str) -> None:
    assert find_fault(clean(text), min_chars=30) is None


def test_what_teaches_nothing_is_left_out_with_a_reason() -> None:
    assert find_fault("short", min_chars=30) == "too short"
    assert find_fault("a\ufffdb " * 30, min_chars=30) == "wrongly decoded"
    assert find_fault("--- === +++ ... !!! ??? " * 10, min_chars=30) == "few letters"
    assert find_fault("buy now " * 500, min_chars=30) == "repetitive"
    noise = "".join(random.Random(0).choices("|-+*/=<>", k=400))  # noqa: S311
    assert find_fault(noise, min_chars=30) == "few letters"
