"""A person's first visit, in a real browser: sign in, upload, ask, click the citation."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.e2e.service import DOCUMENTS, Place, serving

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARTIFACTS = Path(__file__).parents[2] / "test-artifacts"
# A browser in a container has no sandbox of its own, and this machine's network is closed.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
_WAIT_MS = 120_000

pytestmark = [
    pytest.mark.weights,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here; 'apt-get install chromium'"),
]


@pytest.fixture
def page() -> Iterator[Page]:
    """An English browser window; anything that goes wrong inside it fails the test."""
    wrong: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        window = browser.new_page(viewport={"width": 1280, "height": 860}, locale="en-GB")
        window.on("pageerror", lambda error: wrong.append(str(error)))
        yield window
        browser.close()
    assert wrong == []


def test_first_visit_from_the_sign_in_link_to_a_cited_answer(place: Place, page: Page) -> None:
    ARTIFACTS.mkdir(exist_ok=True)
    with serving(place, with_key=False) as service:
        page.goto(service.sign_in_link())
        page.get_by_role("button", name="Sign in").click()
        # the rooms open once the page has started; before, nobody could choose a file either
        expect(page.locator("#question")).to_be_visible()
        page.locator("#files").set_input_files(
            [DOCUMENTS / "fastapi-alternatives.pdf", DOCUMENTS / "sobre-https.md"]
        )
        deletes = page.get_by_role("button", name="Delete")
        expect(deletes).to_have_count(2, timeout=_WAIT_MS)

        ask(page, "Who created Hug?")
        answer = page.locator(".answer", has_text="Timothy Crosley")
        expect(answer).to_be_visible(timeout=_WAIT_MS)
        page.locator(".chip[aria-label]").first.click()
        evidence = page.get_by_role("complementary", name="Source")
        expect(evidence.locator("mark")).to_contain_text("Hug was created by Timothy Crosley")
        expect(evidence).to_contain_text("fastapi-alternatives.pdf")
        page.screenshot(path=ARTIFACTS / "chat.png")

        ask(page, "¿Quién pintó Las Meninas?")
        expect(page.locator(".answer", has_text="No encontré la respuesta")).to_be_visible(
            timeout=_WAIT_MS
        )

        page.get_by_role("button", name="Delete fastapi-alternatives.pdf").click()
        page.get_by_role("button", name="Delete", exact=True).click()
        expect(deletes).to_have_count(1)
        # the page forgets it too: the answer that quoted it, and the open source
        expect(page.get_by_text("A document that this answer showed was deleted")).to_be_visible()
        expect(page.get_by_text("Timothy Crosley")).to_have_count(0)
        ask(page, "And who created Hug?")
        expect(page.locator(".answer", has_text="I did not find the answer")).to_be_visible(
            timeout=_WAIT_MS
        )
        page.screenshot(path=ARTIFACTS / "refusal.png")


def test_link_signs_one_browser_in_once(place: Place, page: Page) -> None:
    with serving(place, with_key=False) as service:
        link = service.sign_in_link()
        page.goto(link)
        page.get_by_role("button", name="Sign in").click()
        expect(page.locator("#question")).to_be_visible()

        page.context.clear_cookies()
        page.goto(link)
        page.get_by_role("button", name="Sign in").click()
        expect(page.locator("#question")).not_to_be_visible()


def ask(page: Page, question: str) -> None:
    """Type a question and send it."""
    page.locator("#question").fill(question)
    page.get_by_role("button", name="Ask", exact=True).click()
