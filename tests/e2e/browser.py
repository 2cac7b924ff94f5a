"""A real browser at the real service: how it is started, signed in and asked with."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.e2e.service import Service

ROOT: Final = Path(__file__).parents[2]
ARTIFACTS: Final = ROOT / "test-artifacts"
CHROMIUM: Final = shutil.which("chromium") or shutil.which("chromium-browser")
# A browser in a container has no sandbox of its own; nor has it anybody to call but the service.
FLAGS: Final = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
WIDE: Final = {"width": 1280, "height": 860}
PHONE: Final = {"width": 390, "height": 780}
WAIT_MS: Final = 240_000
# Machines are busy: what is a moment on one is half a minute on another.
MOMENT_MS: Final = 60_000
expect.set_options(timeout=MOMENT_MS)

NEEDS_CHROMIUM: Final = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium here; 'apt-get install chromium'"
)


@dataclass
class Trouble:
    """What goes wrong inside a window, and would otherwise be seen by nobody."""

    faults: list[str] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        """Hear of errors, of what the policy refused, and of calls to other hosts."""
        page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        page.on("dialog", lambda dialog: self.faults.append(f"dialog: {dialog.message}"))
        page.on("console", lambda message: self._hear(message.text))
        page.on("request", lambda request: self._see(request.url))

    def _hear(self, text: str) -> None:
        if "Content Security Policy" in text or "TrustedScript" in text:
            self.faults.append(f"policy: {text}")

    def _see(self, url: str) -> None:
        if not url.startswith(("http://127.0.0.1:", "http://localhost:", "data:", "blob:")):
            self.faults.append(f"elsewhere: {url}")


@contextmanager
def browsing() -> Iterator[Browser]:
    """A browser without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def window(browser: Browser, **options: Any) -> Iterator[Page]:
    """An English window with a profile of its own; whatever goes wrong in it fails the test."""
    trouble = Trouble()
    options = {"viewport": WIDE, "locale": "en-GB", "reduced_motion": "reduce"} | options
    context = browser.new_context(**options)
    context.set_default_timeout(MOMENT_MS)
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    context.on("page", trouble.watch)
    yield context.new_page()
    context.close()
    assert trouble.faults == []


def sign_in(page: Page, service: Service) -> str:
    """Use a fresh link, as a person does; returns it."""
    made = service.place.run("sign-in")
    assert made.returncode == 0, made.stderr
    link = next(word for word in made.stdout.split() if "/sign-in?token=" in word)
    page.goto(link)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("#question")).to_be_visible()
    return link


def session_of(browser: Browser, service: Service) -> Any:
    """The storage of a browser that is signed in, for windows that begin behind the door."""
    context: BrowserContext = browser.new_context(locale="en-GB")
    sign_in(context.new_page(), service)
    state = context.storage_state()
    context.close()
    return state


def ask(page: Page, question: str) -> None:
    """Type a question and send it."""
    page.locator("#question").fill(question)
    page.locator("#question").press("Enter")


def answer_of(page: Page, words: str) -> Any:
    """The answer that holds these words, once it is there."""
    found = page.locator(".exchange .prose", has_text=words).last
    expect(found).to_be_visible(timeout=WAIT_MS)
    return found


def screenshot(page: Page, name: str) -> None:
    """Keep a picture of the window."""
    ARTIFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTIFACTS / f"{name}.png")
