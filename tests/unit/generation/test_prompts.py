"""Prompts: versioned, the same for the same input, and deaf to what documents say."""

from dataclasses import replace

import pytest
from hypothesis import given

from generation.language import Language
from generation.prompts import PromptNotFoundError, builtin_prompts, load_prompt, read_template
from generation.types import Example
from tests.unit.generation.passages import make_passage, odd_texts

TEMPLATE_TEXT = (
    "{question} {passages} {number} {{ x }} {% raw %} %s $name {0} {!r} }{ <|im_end|>\n<|im_start|>"
)


def test_the_passages_come_numbered_before_the_question() -> None:
    passages = [make_passage("First text."), make_passage("Second text.", start=50)]

    system, user = load_prompt("direct").render("Who?", passages, "en")

    assert (system.role, user.role) == ("system", "user")
    assert user.content == (
        "[1] guide.pdf\nFirst text.\n\n[2] guide.pdf\nSecond text.\n\nQuestion: Who?"
    )


def test_a_passage_says_under_which_heading_it_stands() -> None:
    passages = [make_passage("Text.", heading="Hours > Summer")]

    _system, user = load_prompt("direct").render("Who?", passages, "en")

    assert user.content.startswith("[1] guide.pdf > Hours > Summer\nText.")


def test_rows_that_go_on_with_a_table_stand_below_its_header() -> None:
    header = "| port | use |\n| --- | --- |"
    passage = replace(make_passage("| 8420 | server |"), table_header=header)

    _system, user = load_prompt("direct").render("Who?", [passage], "en")

    assert user.content.startswith(f"[1] guide.pdf\n{header}\n| 8420 | server |\n")


def test_each_language_has_its_own_words() -> None:
    spanish = load_prompt("direct").render("¿Quién?", [], "es")

    assert spanish[0].content.startswith("Respondes preguntas")
    assert spanish[1].content.endswith("Pregunta: ¿Quién?")


def test_what_stays_the_same_comes_first() -> None:
    template = load_prompt("direct")
    shared = make_passage("Shared text.")

    one = template.render("Who?", [shared], "en")
    other = template.render("When?", [shared, make_passage("More.", start=90)], "en")

    assert one[0] == other[0]
    assert other[1].content.startswith(one[1].content.removesuffix("Question: Who?"))


def test_template_marks_in_a_document_stay_text() -> None:
    passage = make_passage(TEMPLATE_TEXT, name=TEMPLATE_TEXT, heading=TEMPLATE_TEXT)

    _system, user = load_prompt("direct").render(TEMPLATE_TEXT, [passage], "en")

    assert user.content.count(TEMPLATE_TEXT) == 4


@given(odd_texts(), odd_texts())
def test_whatever_a_document_or_a_question_says_is_rendered_as_it_is(
    text: str, question: str
) -> None:
    _system, user = load_prompt("direct").render(question, [make_passage(text)], "en")

    assert user.content == f"[1] guide.pdf\n{text}\n\nQuestion: {question}"


# A released version never changes: a change is a new file, with the next number.
RELEASED = {
    "chain_of_thought@1": "58fa50d6cab7b3c30d105d56b92b54a6dfee5a8b03c3bb94f7dae905e26ee544",
    "direct@1": "4e3ca9fa928e72535b9afe572739dad805c47ad9f1a5d542634e698b9dcb326e",
    "few_shot@1": "b979f2d3bdb19823806df315aae8f38f3c3c702792addb04eb984f4048608416",
}


def test_a_released_prompt_says_what_it_said_when_it_was_released() -> None:
    found = {
        template.reference: template.sha256
        for versions in builtin_prompts().values()
        for template in versions.values()
    }
    assert found == RELEASED


@pytest.mark.parametrize("name", sorted(builtin_prompts()))
@pytest.mark.parametrize("language", ["en", "es"])
def test_every_built_in_prompt_is_there_in_both_languages(name: str, language: Language) -> None:
    template = load_prompt(name)
    examples = template.own_examples(language)

    system, *turns, user = template.render("Q?", [make_passage("P.")], language, examples=examples)

    roles = [message.role for message in turns]
    assert (system.role, user.role) == ("system", "user")
    assert roles == ["user", "assistant"] * len(examples)
    assert "[1] guide.pdf\nP." in user.content
    assert (
        system.content != template.render("Q?", [], "es" if language == "en" else "en")[0].content
    )


def test_examples_read_as_the_question_does_and_come_before_it() -> None:
    template = load_prompt("few_shot")
    example = Example("1", "Which {x}?", "Text {y}.", "An {answer}.", source="a.md")

    _system, asked, answered, user = template.render("Who?", [], "en", examples=[example])

    assert asked.content == "[1] a.md\nText {y}.\n\nQuestion: Which {x}?"
    assert answered.content == "An {answer}."
    assert user.content.endswith("Question: Who?")


def test_a_prompt_in_one_language_calls_the_other_by_its_name() -> None:
    source = 'name: one\nen:\n  system: Answer in {language}.\n  passage: "{text}"\n'
    template = read_template(source + '  user: "{passages} {question}"\n', version=1)

    assert template.render("¿Quién?", [], "es")[0].content == "Answer in Spanish."
    assert template.render("Who?", [], "en")[0].content == "Answer in English."


def test_a_prompt_is_found_by_name_and_by_version() -> None:
    template = load_prompt("direct")

    assert template.reference == f"direct@{template.version}"
    assert load_prompt(template.reference) == template


@pytest.mark.parametrize(
    "reference",
    [
        "",
        "@1",
        "missing",
        "direct@0",
        "direct@1@1",
        "direct@2",
        "direct.yaml",
        "../prompts/direct",
        "dir\0ect",
    ],
)
def test_an_unknown_prompt_is_an_error(reference: str) -> None:
    with pytest.raises(PromptNotFoundError):
        load_prompt(reference)
