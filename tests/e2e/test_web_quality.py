"""How good answers are, on the pages: evaluations, prompts, and what a collection uses."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.browser import NEEDS_CHROMIUM, WAIT_MS, answer_of, ask, screenshot, window
from tests.e2e.service import Service
from tests.e2e.test_web_pages import check_with_axe

pytestmark = [pytest.mark.weights, NEEDS_CHROMIUM]

QUESTIONS = """\
{"question": "Who created Hug?", "answers": ["Timothy Crosley"]}
{"question": "Who painted Las Meninas?", "answerable": false}
"""


def test_questions_are_asked_and_what_came_of_them_is_drawn(page: Page, tmp_path: Path) -> None:
    (tmp_path / "questions.jsonl").write_text(QUESTIONS)
    page.goto("/evaluations")
    for name in ("before", "after"):
        page.get_by_role("button", name="New evaluation").click()
        page.get_by_label("Which questions").select_option("From a file")
        page.get_by_label("File of questions").set_input_files(tmp_path / "questions.jsonl")
        page.get_by_label("What is different this time").fill(name)
        page.get_by_role("button", name="Start").click()
        expect(page.get_by_role("heading", name=name, level=1)).to_be_visible()
        figures = page.get_by_role("region", name="Figures")
        expect(figures).to_contain_text("Right answers", timeout=WAIT_MS)
        if name == "before":
            page.get_by_role("link", name="Evaluations").click()

    expect(figures).to_contain_text("100%")
    funnel = page.get_by_role("region", name="Where questions ended")
    expect(funnel).to_contain_text("Rightly refused")
    expect(page.get_by_role("img", name="Risk and coverage")).to_be_visible()
    compared = page.get_by_role("region", name="What changed")
    compared.get_by_role("combobox").select_option(index=1)
    expect(compared).to_contain_text("Nothing got worse beyond chance")
    screenshot(page, "evaluation")
    delete(page)
    page.get_by_role("link", name="before").click()
    expect(page.get_by_role("heading", name="before", level=1)).to_be_visible()
    delete(page)
    expect(page.get_by_role("heading", name="Nothing was evaluated yet")).to_be_visible()


def delete(page: Page) -> None:
    """Delete the evaluation that is shown."""
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("heading", name="Evaluations", level=1)).to_be_visible()


def test_a_prompt_is_previewed_changed_compared_and_used(page: Page) -> None:
    page.goto("/prompts")
    page.get_by_role("link", name="direct").click()
    preview = page.get_by_role("region", name="Preview").last
    preview.get_by_label("A question").fill("Who created Hug?")
    preview.get_by_role("button", name="Show").click()
    expect(preview.get_by_role("list").last).to_contain_text("Timothy Crosley", timeout=WAIT_MS)
    screenshot(page, "prompt-preview")

    page.get_by_role("button", name="New version").click()
    editor = page.get_by_role("dialog", name="New version")
    source = editor.get_by_label("Template (YAML)")
    source.fill("name: direct\nen: 7")
    editor.get_by_role("button", name="Keep this version").click()
    expect(editor.get_by_role("alert")).to_be_visible()
    source.fill(TEMPLATE)
    editor.get_by_role("button", name="Keep this version").click()
    expect(page.get_by_role("heading", name="brief@1", level=1)).to_be_visible()
    differences = page.get_by_role("region", name="Differences")
    differences.get_by_role("combobox").select_option("direct@1")
    expect(differences).to_contain_text("+name: brief")

    page.goto("/collections/default")
    answered = page.get_by_role("region", name="How it is answered")
    prompt = answered.get_by_role("combobox", name="Prompt")
    prompt.select_option("brief@1")
    expect(prompt).to_have_value("brief@1")
    answered.get_by_role("button", name="Back to the prompt before").click()
    expect(prompt).to_have_value("")


def test_an_adapter_is_chosen_and_taken_back_and_readers_see_which(
    page: Page, browser: Browser, library: Service, adapter: str
) -> None:
    page.goto("/collections/default")
    answered = page.get_by_role("region", name="How it is answered")
    chosen = answered.get_by_role("combobox", name="Adapter")
    chosen.select_option(adapter)
    expect(chosen).to_have_value(adapter)
    expect(answered).to_contain_text("by owner")
    answered.get_by_role("button", name="About adapters").click()
    about = page.get_by_role("dialog", name="About adapters")
    expect(about.get_by_role("listitem").first).to_contain_text("In use")
    expect(about.get_by_role("region", name="What was in use here")).to_contain_text(adapter)
    check_with_axe(page, "adapters")
    page.keyboard.press("Escape")

    with window(browser, base_url=library.base_url) as other:
        other.goto(invite_a_reader(library, "rosa"))
        other.get_by_role("button", name="Sign in").click()
        expect(other.locator("#question")).to_be_visible()
        other.goto("/collections/default")
        theirs = other.get_by_role("region", name="How it is answered")
        expect(theirs).to_contain_text(adapter)
        expect(theirs.get_by_role("button", name="About adapters")).to_be_visible()
        expect(theirs.get_by_role("combobox")).to_have_count(0)
        expect(theirs.get_by_role("button", name="Back to the adapter before")).to_have_count(0)
    assert library.place.run("people", "remove", "rosa").returncode == 0

    # somebody else takes it away meanwhile
    put = library.client.put("/v1/collections/default/adapter", json={"adapter": None})
    put.raise_for_status()
    chosen.select_option("As the service does")
    expect(page.get_by_text("Somebody else has changed this meanwhile")).to_be_visible()
    expect(chosen).to_have_value("")
    answered.get_by_role("button", name="Back to the adapter before").click()
    expect(chosen).to_have_value(adapter)
    answered.get_by_role("button", name="Back to the adapter before").click()
    expect(chosen).to_have_value("")
    expect(answered.get_by_role("button", name="Back to the adapter before")).to_have_count(0)


@pytest.fixture
def adapter(library: Service) -> Iterator[str]:
    """The reader that is built in, kept as an adapter that collections may have."""
    added = library.place.run("adapters", "add", "reader", "--style", "read")
    assert added.returncode == 0, added.stderr
    reference = added.stdout.strip()
    yield reference
    assert library.place.run("adapters", "remove", reference).returncode == 0


def invite_a_reader(service: Service, name: str) -> str:
    """The link of somebody new who may read the default collection."""
    invited = service.place.run("people", "invite", name)
    assert invited.returncode == 0, invited.stderr
    path = f"/v1/collections/default/access/people/{name}"
    service.client.put(path, json={"role": "reader"}).raise_for_status()
    return next(word for word in invited.stdout.split() if "/sign-in?token=" in word)


def test_a_good_answer_is_shown_to_the_model_until_it_is_taken_away(page: Page) -> None:
    page.goto("/")
    ask(page, "By whom was Hug created?")
    answer_of(page, "Timothy Crosley")
    page.get_by_role("button", name="Good answer").click()
    page.goto("/examples")
    example = page.locator(".example", has_text="By whom was Hug created?")
    example.get_by_role("button", name="Show it to the model").click()
    expect(example).to_have_count(0)
    which = page.get_by_role("combobox", name="Which examples")
    which.select_option("In use")
    example.get_by_role("button", name="Take it away").click()
    expect(example).to_have_count(0)
    which.select_option("Never shown")
    kept = page.locator(".example", has_text="Its words were not kept")
    expect(kept.first.get_by_role("button", name="Show it to the model")).to_be_visible()


TEMPLATE = """\
name: brief
description: One sentence, no more.
en:
  system: Answer in one sentence, with the words of the passages.
  passage: "[{number}] {text}"
  user: |-
    {passages}

    Question: {question}
"""
