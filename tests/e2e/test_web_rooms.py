"""Everything else that a person does on the pages, on one service that holds both documents."""

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.e2e.browser import (
    NEEDS_CHROMIUM,
    PHONE,
    WAIT_MS,
    answer_of,
    ask,
    screenshot,
    window,
)
from tests.e2e.service import Service

pytestmark = [pytest.mark.weights, NEEDS_CHROMIUM]

PDF = "fastapi-alternatives.pdf"
HUG = "Who created Hug?"


@pytest.fixture
def phone(browser: Browser, library: Service, session: Any) -> Iterator[Page]:
    options = {"viewport": PHONE, "has_touch": True, "is_mobile": True}
    with window(browser, storage_state=session, base_url=library.base_url, **options) as opened:
        yield opened


# ---- asking ------------------------------------------------------------------------------------


def test_answer_goes_on_after_a_lost_connection(page: Page) -> None:
    asked_again: list[str] = []

    def cut(route: Route) -> None:
        # the service's own events, as far as the first words: then the line is dead
        events = route.fetch().text().split("\n\n")
        until = next(i for i, event in enumerate(events) if "event: delta" in event) + 1
        route.fulfill(body="\n\n".join(events[:until]) + "\n\n", content_type="text/event-stream")

    page.route("**/v1/answer", cut)
    page.on(
        "request",
        lambda request: (
            asked_again.append(request.headers.get("last-event-id", ""))
            if request.url.endswith("/events")
            else None
        ),
    )
    page.goto("/")
    ask(page, HUG)
    expect(answer_of(page, "Timothy Crosley").locator("button.chip").first).to_be_visible(
        timeout=WAIT_MS
    )
    assert asked_again == ["2"]


def test_answer_that_was_being_written_is_there_after_a_reload(page: Page) -> None:
    page.goto("/")
    ask(page, HUG)
    answer_of(page, "Timothy Crosley")
    page.reload()
    expect(answer_of(page, "Timothy Crosley").locator("button.chip").first).to_be_visible()


def test_asking_again_and_otherwise_makes_branches_to_go_between(page: Page) -> None:
    page.goto("/")
    ask(page, HUG)
    answer_of(page, "Timothy Crosley")
    page.get_by_role("button", name="Answer again").click()
    expect(page.get_by_text("2/2")).to_be_visible(timeout=WAIT_MS)
    page.get_by_role("button", name="Change the question").click()
    editor = page.get_by_role("textbox", name="Change the question")
    editor.fill("What is Uvicorn built on?")
    page.get_by_role("button", name="Ask again").click()
    expect(page.get_by_text("3/3")).to_be_visible(timeout=WAIT_MS)
    answer_of(page, "uvloop")
    page.get_by_role("button", name="Answer before this one").click()
    expect(page.get_by_text("2/3")).to_be_visible()
    answer_of(page, "Timothy Crosley")
    page.get_by_role("button", name="Go to the newest").click()
    answer_of(page, "uvloop")


def test_follow_up_shows_how_it_was_understood(page: Page) -> None:
    page.goto("/")
    ask(page, HUG)
    answer_of(page, "Timothy Crosley")
    ask(page, "And Uvicorn?")
    expect(page.locator(".exchange")).to_have_count(2)
    expect(page.get_by_text("Understood as:")).to_be_visible(timeout=WAIT_MS)


# The button says so for two seconds: too short for a busy machine to look in time.
NOTE_COPIED = """
new MutationObserver(() => {
  const buttons = [...document.querySelectorAll("button")];
  if (buttons.some((each) => each.textContent === "Copied")) window.saidCopied = true;
}).observe(document.body, { childList: true, characterData: true, subtree: true });
"""


def test_answer_is_copied_as_it_was_written(page: Page) -> None:
    page.goto("/")
    ask(page, HUG)
    answer_of(page, "Timothy Crosley")
    page.evaluate(NOTE_COPIED)
    page.get_by_role("button", name="Copy").click()
    page.wait_for_function("window.saidCopied")
    assert "Timothy Crosley" in page.evaluate("navigator.clipboard.readText()")


def test_refused_service_says_so_and_keeps_the_question(page: Page) -> None:
    page.goto("/")
    problem = {"status": 503, "code": "not_ready", "detail": "the model is loading"}
    page.route(
        "**/v1/answer",
        lambda route: route.fulfill(
            status=503, body=json.dumps(problem), content_type="application/problem+json"
        ),
    )
    ask(page, HUG)
    expect(page.get_by_role("alert")).to_contain_text("The model is loading")
    page.unroute("**/v1/answer")
    page.get_by_role("button", name="Ask again").click()
    answer_of(page, "Timothy Crosley")


def test_conversations_are_found_renamed_and_deleted(page: Page) -> None:
    page.goto("/")
    ask(page, "What is Uvicorn built on?")
    answer_of(page, "uvloop")
    conversations = page.get_by_role("navigation", name="Conversations")
    item = conversations.locator("li", has=page.locator('[aria-current="page"]'))
    item.hover()
    item.get_by_role("button").click()
    page.get_by_role("menuitem", name="Rename").click()
    page.get_by_role("textbox", name="Title").fill("Qué usa Uvicorn")
    page.get_by_role("textbox", name="Title").press("Enter")
    expect(conversations.get_by_role("link", name="Qué usa Uvicorn")).to_be_visible()
    expect(page).to_have_title("Qué usa Uvicorn · Cimiento")

    page.keyboard.press("Control+k")
    page.get_by_role("combobox", name="Go to…").fill("que uvicorn")
    expect(page.get_by_role("option")).to_have_count(1)
    page.keyboard.press("Enter")

    item.hover()
    item.get_by_role("button").click()
    page.get_by_role("menuitem", name="Delete").click()
    dialog = page.get_by_role("dialog", name="Delete this conversation?")
    dialog.get_by_role("button", name="Delete").click()
    expect(conversations.get_by_role("link", name="Qué usa Uvicorn")).to_have_count(0)
    expect(page.get_by_role("heading", name="What would you like to know?")).to_be_visible()


# ---- the frame ---------------------------------------------------------------------------------


def test_language_is_switched_everywhere_and_kept(page: Page) -> None:
    page.goto("/documents")
    page.get_by_role("button", name="Preferences").click()
    page.get_by_role("menuitemradio", name="Español").click()
    expect(page.get_by_role("heading", name="Documentos", level=1)).to_be_visible()
    assert page.locator("html").get_attribute("lang") == "es"
    page.reload()
    expect(page.get_by_role("heading", name="Documentos", level=1)).to_be_visible()
    english = "Documents|Conversation|Add |Find |Delete |Every |Collections|Skip"
    expect(page.locator("body")).not_to_contain_text(re.compile(english))
    screenshot(page, "documents-es")


def test_theme_is_chosen_and_kept(page: Page) -> None:
    page.goto("/")
    page.get_by_role("button", name="Preferences").click()
    page.get_by_role("menuitemradio", name="Dark").click()
    dark = "rgb(26, 24, 22)"
    expect(page.locator("body")).to_have_css("background-color", dark)
    page.reload()
    expect(page.locator("body")).to_have_css("background-color", dark)


def test_the_keyboard_reaches_every_room(page: Page) -> None:
    page.goto("/")
    page.locator("#question").press("Control+k")
    expect(page.get_by_role("combobox", name="Go to…")).to_be_focused()
    page.keyboard.type("collect")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Collections", level=1)).to_be_visible()
    # no key of a room is heard while a dialog is there
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.keyboard.press("d")
    expect(page.get_by_role("heading", name="Documents", level=1)).to_be_visible()
    page.keyboard.press("?")
    keys = page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(keys).to_be_visible()
    page.keyboard.press("Escape")
    expect(keys).to_have_count(0)
    page.keyboard.press("n")
    expect(page.locator("#question")).to_be_focused()
    page.keyboard.press("Escape")
    page.goto("/documents")
    expect(page.get_by_role("heading", name="Documents", level=1)).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()


def test_a_narrow_screen_has_every_room_and_the_source(phone: Page) -> None:
    phone.goto("/")
    ask(phone, HUG)
    answer_of(phone, "Timothy Crosley").locator("button.chip").first.click()
    source = phone.get_by_role("dialog", name="Source")
    expect(source.locator(".pdf-mark").first).to_be_in_viewport(timeout=WAIT_MS)
    screenshot(phone, "phone-source")
    source.get_by_role("button", name="Close").click()
    phone.get_by_role("button", name="Menu").click()
    menu = phone.get_by_role("dialog", name="Menu")
    screenshot(phone, "phone-menu")
    menu.get_by_role("link", name="Documents").click()
    expect(menu).to_have_count(0)
    expect(phone.get_by_role("link", name=PDF)).to_be_visible()
    screenshot(phone, "phone-documents")
    wider = phone.evaluate("document.documentElement.scrollWidth > innerWidth")
    assert wider is False


# ---- long lists --------------------------------------------------------------------------------


def go_to_conversation(page: Page, turns: list[dict[str, Any]]) -> None:
    """A conversation of these turns, at its end."""
    whole = {"id": "cnv_long", "title": "Long", "turns": turns}
    whole |= dict.fromkeys(("created_at", "updated_at"), "2026-01-01T00:00:00Z")
    page.route("**/v1/conversations/cnv_long", lambda route: route.fulfill(json=whole))
    page.goto("/chat/cnv_long")
    expect(page.get_by_role("heading", name=turns[-1]["question"])).to_be_in_viewport()


def test_five_hundred_turns_are_drawn_a_few_at_a_time(page: Page) -> None:
    go_to_conversation(page, [turn(number) for number in range(500)])
    assert page.locator(".exchange").count() < 30
    page.locator(".thread").evaluate("(element) => element.scrollTo(0, 0)")
    first = page.get_by_role("heading", name="You asked: Question 0", exact=True)
    expect(first).to_be_in_viewport()
    assert page.locator(".exchange").count() < 30


def test_focus_goes_back_to_a_number_that_was_drawn_anew(page: Page, library: Service) -> None:
    answer = library.ask(HUG)
    cited = {key: answer[key] for key in ("answer", "sentences", "citations")}
    go_to_conversation(page, [*(turn(number) for number in range(50)), turn(50) | cited])
    chip = page.locator("button.chip").first
    chip.click()
    source = page.get_by_role("region", name="Source", exact=True)
    expect(source.locator("blockquote")).to_contain_text("Timothy Crosley")
    thread = page.locator(".thread")
    thread.evaluate("(element) => element.scrollTo(0, 0)")
    expect(chip).to_have_count(0)
    thread.evaluate("(element) => element.scrollTo(0, element.scrollHeight)")
    expect(chip).to_be_visible()
    page.keyboard.press("Escape")
    expect(source).to_have_count(0)
    expect(chip).to_be_focused()


def turn(number: int) -> dict[str, Any]:
    """A turn of a conversation, as the service tells of it."""
    text = f"Answer {number}.\n\n" + "Words of the answer. " * (number % 40)
    return {
        "id": f"ans_{number:04}",
        "alternatives": [f"ans_{number:04}"],
        "question": f"Question {number}",
        "standalone": None,
        "status": "answered",
        "answer": text,
        "sentences": [],
        "citations": [],
        "withdrawn": [],
        "hidden": False,
        "created_at": "2026-01-01T00:00:00Z",
    }


def test_ten_thousand_documents_are_drawn_a_few_at_a_time(page: Page, library: Service) -> None:
    model = library.client.get("/v1/documents").json()["items"][0]

    def list_documents(route: Route) -> None:
        start = int(parse_qs(urlsplit(route.request.url).query).get("cursor", ["0"])[0])
        items = [
            model | {"id": f"doc_{n}", "name": f"report {n}.pdf"} for n in range(start, start + 500)
        ]
        cursor = str(start + 500) if start + 500 < 10_000 else None
        route.fulfill(json={"items": items, "next_cursor": cursor})

    page.route(re.compile(r"/v1/documents\?"), list_documents)
    page.route(re.compile(r"/v1/documents$"), list_documents)
    page.goto("/documents")
    rows = page.locator(".document")
    expect(page.get_by_role("link", name="report 0.pdf")).to_be_visible()
    last = page.get_by_role("link", name="report 9999.pdf")
    grown = (
        "(height) => document.querySelector('.rows').scrollHeight > height"
        " || document.body.textContent.includes('report 9999.pdf')"
    )
    for _ in range(40):
        height = page.locator(".rows").evaluate("(element) => element.scrollHeight")
        page.locator(".rows").evaluate("(element) => element.scrollTo(0, element.scrollHeight)")
        page.wait_for_function(grown, arg=height)
        assert rows.count() < 60
        if last.count():
            break
    expect(last).to_be_visible()
