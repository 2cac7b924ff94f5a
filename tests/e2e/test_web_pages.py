"""Every page of the web application, as axe finds it: no barrier, in either theme."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browser import NEEDS_CHROMIUM, ROOT, WAIT_MS, answer_of, ask, screenshot
from tests.e2e.service import Service
from tests.integration.waiting import until

pytestmark = [pytest.mark.weights, NEEDS_CHROMIUM]

AXE = ROOT / "app" / "web" / "node_modules" / "axe-core" / "axe.min.js"
PDF = "fastapi-alternatives.pdf"
HUG = "Who created Hug?"
EVALUATION = "A question with its answer"
ROUTER = ROOT / "app" / "web" / "src" / "lib" / "router.tsx"
# pages by their name in the router: an address, and words that are there once all of the page is
ROOMS = {
    "account": ("/account", "New key"),
    "people": ("/people", "No password yet"),
    "groups": ("/groups", "No groups yet"),
    "audit": ("/audit", "made a sign-in link"),
    "evaluations": ("/evaluations", EVALUATION),
    "prompts": ("/prompts", "few_shot"),
    "prompt": ("/prompts/few_shot@1", "Approved answers to like questions"),
    "examples": ("/examples", "Hug was created by Timothy Crosley"),
    "operations": ("/operations", "multilingual-e5-small"),
}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_has_a_barrier_that_axe_finds(
    page: Page, judged_and_evaluated: tuple[str, str], scheme: Any
) -> None:
    seen: set[str] = set()

    def look(name: str, part: str = "") -> None:
        seen.add(name)
        check_with_axe(page, f"{part or name}-{scheme}")

    page.emulate_media(color_scheme=scheme)
    page.goto("/")
    expect(page.locator("#question")).to_be_visible()
    look("chat", "welcome")

    ask(page, HUG)
    answer_of(page, "Timothy Crosley").locator("button.chip").first.click()
    expect(page.locator('.pdf-page[data-drawn="true"]')).to_be_visible(timeout=WAIT_MS)
    look("chat")
    ask(page, "¿Quién pintó Las Meninas?")
    expect(page.locator(".near").first).to_be_visible(timeout=WAIT_MS)
    look("chat", "refusal")

    page.goto("/documents")
    expect(page.get_by_role("link", name=PDF)).to_be_visible()
    look("documents")
    page.get_by_role("link", name=PDF).click()
    expect(page.locator('.pdf-page[data-drawn="true"]')).to_be_visible(timeout=WAIT_MS)
    look("document")

    page.goto("/collections")
    expect(page.get_by_role("link", name="default")).to_be_visible()
    look("collections")
    page.get_by_role("link", name="default").click()
    expect(page.locator(".plane canvas")).to_be_visible(timeout=WAIT_MS)
    look("collection")

    look_at_rooms(page, look, *judged_and_evaluated)
    dialog = page.get_by_role("dialog")
    page.keyboard.press("?")
    expect(dialog).to_be_visible()
    look("chat", "keys")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    page.keyboard.press("Control+k")
    expect(dialog).to_be_visible()
    look("chat", "palette")
    page.goto("/sign-in?token=x")
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    look("sign-in")
    assert seen == set(
        re.findall(r"^  \| \{ name: \"([a-z-]+)\"", ROUTER.read_text(), re.MULTILINE)
    )


def look_at_rooms(page: Page, look: Callable[[str], None], answer: str, evaluation: str) -> None:
    """All that need nothing but to be entered."""
    for name, (path, words) in {
        **ROOMS,
        "answer": (f"/answers/{answer}", "Timothy Crosley"),
        "evaluation": (f"/evaluations/{evaluation}", "Where questions ended"),
    }.items():
        page.goto(path)
        expect(page.get_by_text(words).first).to_be_visible(timeout=WAIT_MS)
        look(name)
    page.goto("/nowhere")
    expect(page.get_by_role("heading", name="There is nothing here", level=2)).to_be_visible()
    look("missing")


@pytest.fixture(scope="module")
def judged_and_evaluated(library: Service, session: Any) -> Iterator[tuple[str, str]]:
    """Ids of an answer that was found good, and of an evaluation with its figures."""
    cookies = {each["name"]: each["value"] for each in session["cookies"]}
    address = library.base_url
    with httpx2.Client(
        base_url=address, cookies=cookies, headers={"Origin": address}, timeout=120
    ) as client:
        answer = client.post("/v1/answer", json={"question": HUG}).raise_for_status().json()["id"]
        judged = client.post(f"/v1/answers/{answer}/feedback", json={"rating": "up"})
        judged.raise_for_status()
        asked = json.dumps({"question": HUG, "answers": ["Timothy Crosley"]})
        run = client.post("/v1/evaluations", json={"questions": asked, "name": EVALUATION})
        path = f"/v1/evaluations/{run.raise_for_status().json()['id']}"
        until(lambda: client.get(path).json()["state"] == "done", within_s=WAIT_MS / 1000)
        yield answer, path.rsplit("/", 1)[1]
        client.delete(path)
        client.delete(f"/v1/answers/{answer}")


def check_with_axe(page: Page, name: str) -> None:
    """Look at the page as it is, and keep a picture of it."""
    screenshot(page, name)
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run().then((result) => result.violations)")
    told = [
        f"{each['id']}: {each['help']}: {[node['html'][:160] for node in each['nodes'][:4]]}"
        for each in found
    ]
    assert told == [], name
