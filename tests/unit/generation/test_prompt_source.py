"""Templates from anybody: what cannot be rendered is refused, by its line and its variable."""

from string import Formatter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation.prompts import BadPromptError, builtin_source, read_template
from generation.prompts.places import check_places
from generation.prompts.source import MAX_SOURCE_CHARS

GOOD = """\
name: mine
en:
  system: Answer.
  passage: "{text}"
  user: |-
    {passages}

    Question: {question}
"""


def faults(source: str) -> list[tuple[int, str, str]]:
    """What is wrong with a template: lines, parts and messages."""
    with pytest.raises(BadPromptError) as caught:
        read_template(source, version=1)
    assert str(caught.value).startswith("line ")
    return [(fault.line, fault.field, fault.message) for fault in caught.value.faults]


def test_a_good_template_is_read() -> None:
    template = read_template(GOOD, version=3)

    assert (template.reference, list(template.texts)) == ("mine@3", ["en"])
    assert (template.style, template.few_shot, template.max_reasoning_tokens) == (None, None, 0)


def test_a_template_that_reasons_drafts() -> None:
    source = GOOD.replace("en:", "reasoning: {max_tokens: 9}\nen:\n  answer_mark: '==>'")

    template = read_template(source, version=1)

    assert (template.style, template.max_reasoning_tokens) == ("draft", 9)
    assert template.texts_for("es").answer_mark == "==>"


def test_comments_and_layout_change_nothing_of_the_hash() -> None:
    other = "# mine\n" + GOOD.replace("system: Answer.", "system: >-\n    Answer.")

    assert read_template(other, version=9).sha256 == read_template(GOOD, version=1).sha256


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("{question}", "{quesiton}", (8, "en.user", "{quesiton} is no variable")),
        ("Question: {question}", "Question:", (5, "en.user", "the variable {question} is missing")),
        ("{passages}", "", (5, "en.user", "the variable {passages} is missing")),
        ("{question}", "{question} }", (8, "en.user", "a lone }: write }}")),
        ("{question}", "{question} {", (8, "en.user", "a lone {: write {{")),
        ("{question}", "{question.__class__}", (8, "en.user", "{question.__class__} is no")),
        ("{question}", "{question[0]}", (8, "en.user", "{question[0]} is no variable")),
        ("{question}", "{question!r}", (8, "en.user", "{question!r} is no variable")),
        ("{question}", "{question:>9999999}", (8, "en.user", "{question:>9999999} is no")),
        ("{question}", "{}", (8, "en.user", "{} is no variable")),
        ("{question}", "{0}", (8, "en.user", "{0} is no variable")),
        ("Answer.", "Answer {question}.", (3, "en.system", "{question} is no variable")),
        ('"{text}"', "text", (4, "en.passage", "the variable {text} is missing")),
        ("name: mine", "name: Mine Own", (1, "name", "String should match pattern")),
        ("name: mine", "name: 5", (1, "name", "Input should be a valid string")),
        ("name: mine", "nom: mine", (1, "nom", "there is no such key")),
        ("  system: Answer.\n", "", (2, "en.system", "is missing")),
        ("  system: Answer.", "  system: ''", (3, "en.system", "at least 1")),
        ("en:", "fr:", (2, "fr", "there is no such key")),
        ("en:", "style: poem\nen:", (2, "style", "Input should be 'draft', 'quote' or 'read'")),
        ("en:", "name: other\nen:", (2, "", "the key 'name' is there twice")),
        ("en:", "? [a]\n: b\nen:", (2, "", "a key must be a word")),
        ("en:", "few_shot: {max: 99}\nen:", (2, "few_shot.max", "less than or equal to 16")),
        ("en:", "few_shot: {max: 2}\nen:", (3, "en.examples", "are missing")),
        ("en:", "reasoning: {max_tokens: 9}\nen:", (3, "en.answer_mark", "is missing")),
        ("en:", "reasoning: {}\nstyle: quote\nen:", (3, "style", "a template with 'reasoning'")),
        ("  system", "  answer_mark: '==>'\n  system", (3, "en.answer_mark", "is for templates")),
        ("  system", "  examples: []\n  assistant: x\n  system", (4, "en.assistant", "{answer}")),
        ("en:", "description: &a x\nen:", (2, "", "anchors and aliases are not followed")),
        ("Answer.", "*a", (3, "", "anchors and aliases are not followed")),
        ("Answer.", "!!python/name:os.system x", (3, "", "tags are not followed")),
        ("Answer.", "[[[[[[[]]]]]]]", (3, "", "it is nested more than 6 levels deep")),
        ("Answer.", "\tAnswer: [", (3, "", "it is not YAML")),
        ("Answer.", "\x07", (3, "", "it holds a character that no text has")),
        ("en:", "---\nen:", (2, "", "it is not YAML")),
    ],
)
def test_a_fault_is_told_with_its_line_and_what_was_written(
    old: str, new: str, expected: tuple[int, str, str]
) -> None:
    assert old in GOOD
    line, field, message = expected

    told = [each for each in faults(GOOD.replace(old, new, 1)) if message in each[2]]

    assert [each[:2] for each in told] == [(line, field)]


def test_every_fault_is_told_at_once_in_the_order_of_lines() -> None:
    broken = GOOD.replace("Answer.", "Say {a} {b}").replace("{question}", "{c}")

    assert [line for line, *_ in faults(broken)] == [3, 3, 5, 8]


@pytest.mark.parametrize("source", ["", "# nothing", "- a\n- b\n", "text", "null", "{}"])
def test_what_is_no_template_at_all_is_refused(source: str) -> None:
    assert faults(source)[0][0] == 1


def test_a_template_without_texts_is_refused() -> None:
    assert faults("name: mine\n") == [(1, "", "it has no texts: give 'en', 'es' or both")]


@pytest.mark.parametrize(
    "source",
    [
        GOOD.replace("Answer.", "x" * 9000),
        GOOD + "#" * MAX_SOURCE_CHARS,
        "[" * 30_000,
        "name: &a [x]\nen: [" + "*a," * 10_000 + "]",
        GOOD.replace("mine", "9" * 5000),
    ],
)
def test_size_and_depth_have_limits(source: str) -> None:
    assert faults(source)


@given(st.text(max_size=200))
def test_whatever_is_given_is_a_template_or_refused_with_lines(source: str) -> None:
    with pytest.raises(BadPromptError):
        read_template(source, version=1)


_PIECES = st.sampled_from(
    [
        "{",
        "}",
        "{{",
        "}}",
        "{text}",
        "{x}",
        "{text!r}",
        "{text.real}",
        " a ",
        "\n",
        "{text:5}",
        "{}",
    ]
)


@given(st.lists(_PIECES, max_size=8).map("".join))
def test_what_passes_is_filled_with_the_bare_variable_and_nothing_else(text: str) -> None:
    if check_places(text, known=["text"], needed=[]):
        return
    fields = [
        (name, spec, how) for _, name, spec, how in Formatter().parse(text) if name is not None
    ]
    assert set(fields) <= {("text", "", None)}
    assert text.format(text="{x} {").count("{x} {") == len(fields)


@given(st.lists(_PIECES, max_size=8).map("".join))
def test_what_python_cannot_fill_does_not_pass(text: str) -> None:
    try:
        text.format(text="")
    except (ValueError, KeyError, IndexError, AttributeError):
        assert check_places(text, known=["text"], needed=[])


@pytest.mark.parametrize("name", ["direct", "few_shot", "chain_of_thought"])
def test_a_built_in_prompt_can_be_taken_for_ones_own(name: str) -> None:
    source = builtin_source(name, 1).replace(f"name: {name}", "name: mine")

    assert read_template(source, version=1).name == "mine"
