"""A person's first visit, in a real browser: sign in, upload, ask, see the very lines, delete."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.browser import (
    NEEDS_CHROMIUM,
    WAIT_MS,
    answer_of,
    ask,
    screenshot,
    sign_in,
    window,
)
from tests.e2e.service import DOCUMENTS, Place, Service, serving

pytestmark = [pytest.mark.weights, NEEDS_CHROMIUM]

PDF = "fastapi-alternatives.pdf"


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with window(browser) as opened:
        yield opened


def test_first_visit_from_the_sign_in_link_to_a_cited_answer(place: Place, page: Page) -> None:
    with serving(place, with_key=False) as service:
        page.goto(service.sign_in_link())
        expect(page.get_by_role("heading", name="Sign in to Cimiento")).to_be_visible()
        assert "token" not in page.url
        page.get_by_role("button", name="Sign in").click()

        expect(page.get_by_role("heading", name="Start with a document")).to_be_visible()
        page.locator("#files").set_input_files([DOCUMENTS / PDF, DOCUMENTS / "sobre-https.md"])
        tray = page.get_by_role("region", name="Files being added")
        expect(tray.get_by_role("heading", name="2 files handled")).to_be_visible(timeout=WAIT_MS)
        tray.get_by_role("button", name="Dismiss").click()

        see_the_lines_of_a_pdf(page)
        see_the_lines_of_a_text(page)
        see_a_refusal(page)
        delete_with_second_thoughts(page)

        page.go_back()
        note = page.get_by_text("A document that this answer showed was deleted")
        expect(note.first).to_be_visible()
        expect(page.get_by_text("Timothy Crosley")).to_have_count(0)
        ask(page, "Tell me who created Hug?")
        expect(page.locator(".exchange").last).to_contain_text(
            "I did not find the answer", timeout=WAIT_MS
        )


def see_the_lines_of_a_pdf(page: Page) -> None:
    """The number in the text opens the page, with the quoted lines marked on it."""
    ask(page, "Who created Hug?")
    answer = answer_of(page, "Timothy Crosley")
    answer.locator("button.chip").first.hover()
    card = page.locator(".quote-card")
    expect(card).to_contain_text("Hug was created by Timothy Crosley")
    expect(card).to_contain_text("Strong support")
    answer.locator("button.chip").first.click()
    source = page.get_by_role("region", name="Source", exact=True)
    expect(source.get_by_role("link", name=PDF)).to_be_visible()
    expect(source.locator("blockquote")).to_contain_text("Hug was created by Timothy Crosley")
    expect(source.locator('.pdf-page[data-drawn="true"]')).to_be_visible(timeout=WAIT_MS)
    mark = source.locator(".pdf-mark").first
    expect(mark).to_be_in_viewport()
    screenshot(page, "chat")
    # focus goes back to the number that opened it
    page.keyboard.press("Escape")
    expect(source).to_have_count(0)
    expect(answer.locator("button.chip").first).to_be_focused()


def see_the_lines_of_a_text(page: Page) -> None:
    """A document without pages is scrolled to the words, which are marked."""
    ask(page, "¿Cuánto duran los certificados de Let's Encrypt?")
    answer_of(page, "3 meses").locator("button.chip").first.click()
    source = page.get_by_role("region", name="Source", exact=True)
    expect(source.locator("mark")).to_contain_text("3 meses")
    expect(source.locator("mark")).to_be_in_viewport()
    page.get_by_role("button", name="Close").click()


def see_a_refusal(page: Page) -> None:
    """What the documents do not hold is said to be missing, with what came nearest."""
    ask(page, "¿Quién pintó Las Meninas?")
    refusal = page.locator(".exchange").last
    expect(refusal.get_by_text("Not found in your documents")).to_be_visible(timeout=WAIT_MS)
    expect(refusal.locator(".near").first).to_be_visible()
    screenshot(page, "refusal")


def delete_with_second_thoughts(page: Page) -> None:
    """Deleting can be taken back for a moment; after it the document is gone."""
    page.get_by_role("link", name="Documents").click()
    delete = page.get_by_role("button", name=f"Delete {PDF}")
    delete.click()
    expect(delete).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    delete.click()
    expect(page.get_by_text(f"{PDF} was deleted.")).to_be_visible(timeout=WAIT_MS)
    expect(page.get_by_role("link", name=PDF)).to_have_count(0)


def test_link_signs_one_browser_in_once(library: Service, page: Page) -> None:
    link = sign_in(page, library)

    page.context.clear_cookies()
    page.goto(link)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("was used already")
    expect(page.get_by_label("Sign-in link")).to_be_visible()
    expect(page.locator("#question")).to_have_count(0)
