"""Untrusted text never runs: names of files, words of documents, what a model writes."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Page, Route, expect

from tests.e2e.browser import NEEDS_CHROMIUM, WAIT_MS, ask
from tests.e2e.service import Service

pytestmark = [pytest.mark.weights, NEEDS_CHROMIUM]

# Each sets `window.ran` when it is taken for more than text.
PAYLOADS: Final = (
    "<script>window.ran=1</script>",
    "<img src=x onerror=window.ran=2>",
    "<svg onload=window.ran=3></svg>",
    '<iframe srcdoc="<script>parent.ran=4</script>"></iframe>',
    "[press](javascript:window.ran=5)",
    "[press](  JaVaScRiPt:window.ran=6)",
    "[press](data:text/html,<script>opener.ran=7</script>)",
    "![picture](https://elsewhere.example/spy.png)",
    '<a href="vbscript:window.ran=8">press</a>',
    "<style>body{display:none}</style>",
    "<base href=https://elsewhere.example/>",
    '<form action="https://elsewhere.example"><button>press</button></form>',
    "<details open ontoggle=window.ran=9>x</details>",
    "$$\\href{javascript:window.ran=10}{press}$$",
    "$$\\htmlData{x=y}{z} \\includegraphics{https://elsewhere.example/spy.png}$$",
    "`<img src=x onerror=window.ran=11>`",
    "```html\n<img src=x onerror=window.ran=12>\n```",
    "| a |\n|---|\n| <img src=x onerror=window.ran=13> |",
    '"><img src=x onerror=window.ran=14>',
    "{{constructor.constructor('window.ran=15')()}}",
    "<math><mtext><table><mglyph><style><img src=x onerror=window.ran=16></style></mglyph>",
    "&lt;img src=x onerror=window.ran=17&gt;",
    "\u202e<script>window.ran=18</script>",
)


@pytest.fixture
def page(page: Page) -> Iterator[Page]:
    # a window fails by itself when the policy had to refuse anything, or another host was called
    yield page
    assert page.evaluate("window.ran") is None


def test_what_a_model_writes_is_text_while_it_streams_and_after(page: Page) -> None:
    text = "\n\n".join(f"Number {index}: {payload}" for index, payload in enumerate(PAYLOADS))

    def answer(route: Route) -> None:
        # the service's own answer, with other words in it
        events = route.fetch().text().split("\n\n")
        route.fulfill(
            body="\n\n".join(rewritten(event, text) for event in events),
            content_type="text/event-stream",
        )

    page.route("**/v1/answer", answer)
    page.route("**/v1/conversations/*", lambda route: with_answer(route, text))
    page.goto("/")
    ask(page, "Who created Hug?")
    prose = page.locator(".exchange .prose").last
    expect(prose).to_contain_text("<script>window.ran=1</script>", timeout=WAIT_MS)
    expect(prose.locator("math, .katex").first).to_be_attached(timeout=WAIT_MS)
    for tag in ("script", "img", "svg:not(.icon)", "iframe", "style", "form", "base", "details"):
        assert prose.locator(tag).count() == 0, tag
    links = prose.locator("a").evaluate_all("(all) => all.map((each) => each.href)")
    assert [link for link in links if not link.startswith("https://")] == []
    before = page.url
    for word in prose.get_by_text("press", exact=True).all():
        word.click()
    assert page.url == before


def rewritten(event: str, text: str) -> str:
    """An event of the service, saying something else."""
    lines = event.split("\n")
    for at, line in enumerate(lines):
        if not line.startswith("data: "):
            continue
        data = json.loads(line.removeprefix("data: "))
        if "event: delta" in lines:
            data["text"] = text
        if "event: done" in lines:
            data |= {"answer": text, "sentences": [], "citations": []}
        lines[at] = f"data: {json.dumps(data)}"
    return "\n".join(lines)


def with_answer(route: Route, text: str) -> None:
    """A conversation whose stored answers say something else."""
    response = route.fetch()
    whole = response.json()
    for turn in whole.get("turns", []):
        turn |= {"answer": text, "sentences": [], "citations": [], "question": PAYLOADS[1]}
    whole["title"] = PAYLOADS[0]
    route.fulfill(response=response, json=whole)


def test_names_and_words_of_documents_are_text_wherever_they_stand(
    page: Page, library: Service, tmp_path: Path
) -> None:
    name = "<img src=x onerror=window.ran=20>.md"
    words = "The zephyrine lamp was made by <img src=x onerror=window.ran=21> Ada <b>Lovelace</b>."
    hostile = tmp_path / name
    hostile.write_text(f"# <script>window.ran=22</script>\n\n{words}\n\n" + "\n\n".join(PAYLOADS))
    document = library.add(hostile)["document_id"]

    page.goto("/documents")
    expect(page.get_by_role("link", name=name)).to_be_visible()
    page.get_by_role("link", name=name).click()
    expect(page.locator(".page-text")).to_contain_text("zephyrine")
    page.goto("/")
    ask(page, "Who made the zephyrine lamp?")
    exchange = page.locator(".exchange").last
    expect(exchange.get_by_text(name).first).to_be_visible(timeout=WAIT_MS)
    exchange.locator("button.source, button.near").first.click()
    source = page.get_by_role("region", name="Source", exact=True)
    expect(source.locator("mark")).to_contain_text("zephyrine")
    assert page.locator("main img:not([src='/static/logo.svg'])").count() == 0

    page.goto("/documents")
    page.get_by_role("button", name=f"Delete {name}").click()
    expect(page.get_by_text(f"{name} was deleted.")).to_be_visible(timeout=WAIT_MS)
    assert library.client.get(f"/v1/documents/{document}").status_code == 404
