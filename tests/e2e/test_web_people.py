"""People on the pages: invited, let in, given access, and what each of them is offered."""

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.browser import NEEDS_CHROMIUM, answer_of, ask, screenshot, window
from tests.e2e.service import Service

pytestmark = [pytest.mark.weights, NEEDS_CHROMIUM]

PDF = "fastapi-alternatives.pdf"
PASSWORD = "plenty of blue herons"


@pytest.fixture
def owner(page: Page) -> Page:
    """The window of whoever owns the service."""
    return page


@pytest.fixture
def other(browser: Browser, library: Service) -> Iterator[Page]:
    """Another person's window."""
    with window(browser, base_url=library.base_url) as opened:
        yield opened


def test_somebody_is_invited_and_sees_what_is_shared_with_them(owner: Page, other: Page) -> None:
    owner.goto("/people")
    owner.get_by_role("button", name="Invite somebody").click()
    owner.get_by_label("User name").fill("ana")
    owner.get_by_label("Name", exact=True).fill("Ana Ruiz")
    owner.get_by_role("button", name="Make an invitation").click()
    dialog = owner.get_by_role("dialog", name="A link for Ana Ruiz")
    link = dialog.get_by_label("Link").input_value()
    screenshot(owner, "people-invitation")
    dialog.get_by_role("button", name="Done").click()
    expect(owner.get_by_role("listitem").filter(has_text="Ana Ruiz")).to_contain_text(
        "No password yet"
    )

    other.goto(link)
    other.get_by_label("Choose a password (optional)").fill("short")
    other.get_by_role("button", name="Sign in").click()
    expect(other.get_by_role("alert")).to_contain_text("12 to 256 characters")
    other.get_by_label("Choose a password (optional)").fill(PASSWORD)
    other.get_by_role("button", name="Sign in").click()
    expect(other.get_by_role("heading", name="Nothing to read yet")).to_be_visible()
    expect(other.get_by_role("link", name="People")).to_have_count(0)

    owner.goto("/collections/default")
    owner.get_by_role("button", name="Share", exact=True).click()
    owner.get_by_label("Share with").fill("ana")
    owner.get_by_role("dialog").get_by_role("button", name="Share").click()
    expect(owner.get_by_role("combobox", name="Role of ana")).to_have_value("reader")

    other.reload()
    expect(other.get_by_role("heading", name="What would you like to know?")).to_be_visible()
    other.get_by_role("link", name="Documents").click()
    expect(other.get_by_role("link", name=PDF)).to_be_visible()
    expect(other.get_by_role("button", name="Add files")).to_have_count(0)
    expect(other.get_by_role("button", name=f"Delete {PDF}")).to_have_count(0)

    owner.get_by_role("combobox", name="Role of ana").select_option("editor")
    expect(owner.get_by_role("combobox", name="Role of ana")).to_have_value("editor")
    other.reload()
    expect(other.get_by_role("button", name=f"Delete {PDF}")).to_be_visible()

    come_back_with_the_password(other)
    delete_the_account(owner)
    other.reload()
    expect(other.get_by_role("heading", name="Sign in to Cimiento")).to_be_visible()


def come_back_with_the_password(page: Page) -> None:
    """What a person is told of themselves, and how they come in again."""
    page.goto("/account")
    expect(page.get_by_role("heading", name="Ana Ruiz")).to_be_visible()
    roles = page.get_by_role("region", name="What you can open")
    expect(roles.get_by_role("listitem")).to_contain_text("Editor")
    page.get_by_role("button", name="Sign out everywhere").click()
    page.get_by_role("dialog").get_by_role("button", name="Sign out everywhere").click()
    page.get_by_role("button", name="Use a name and a password").click()
    page.get_by_label("Name").fill("ana")
    page.get_by_label("Password").fill("wrong, all of it")
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("do not belong together")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.locator("#question")).to_be_visible()


def delete_the_account(page: Page) -> None:
    """Deleting asks first, and signs the person out."""
    page.goto("/people")
    page.get_by_role("button", name="More for Ana Ruiz").click()
    page.get_by_role("menuitem", name="Delete the account").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete the account").click()
    expect(page.get_by_text("Ana Ruiz")).to_have_count(0)


def test_a_key_is_shown_once_and_opens_what_it_was_made_for(owner: Page, library: Service) -> None:
    owner.goto("/account")
    owner.get_by_role("button", name="New key").click()
    owner.get_by_label("What it is for").fill("website")
    owner.get_by_role("button", name="Make it").click()
    dialog = owner.get_by_role("dialog", name="Your new key")
    headers = {"Authorization": f"Bearer {dialog.get_by_label('website').input_value()}"}
    dialog.get_by_role("button", name="Done").click()
    address = library.base_url + "/v1/collections"
    assert httpx2.get(address, headers=headers).status_code == 200
    refused = httpx2.post(address, headers=headers, json={"name": "other"})
    assert refused.json()["code"] == "forbidden"

    line = owner.get_by_role("listitem").filter(has_text="website")
    expect(line).to_contain_text("read, ask")
    line.get_by_role("button", name="Revoke website").click()
    owner.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(line).to_have_count(0)
    assert httpx2.get(address, headers=headers).status_code == 401


def test_groups_are_made_and_what_is_done_is_in_the_log(owner: Page) -> None:
    owner.goto("/groups")
    owner.get_by_role("button", name="New group").click()
    dialog = owner.get_by_role("dialog", name="New group")
    dialog.get_by_label("Name").fill("office")
    dialog.get_by_role("button", name="New group").click()
    group = owner.get_by_role("region", name="office")
    group.get_by_role("combobox", name="Add somebody to office").select_option("owner")
    expect(group).to_contain_text("1 member")
    group.get_by_role("button", name="Take owner out of office").click()
    expect(group).to_contain_text("0 members")
    group.get_by_role("button", name="Delete office").click()
    owner.get_by_role("dialog").get_by_role("button", name="Delete office").click()
    expect(owner.get_by_role("heading", name="No groups yet")).to_be_visible()

    owner.get_by_role("link", name="Audit log").click()
    expect(owner.get_by_text("took somebody out of a group").first).to_be_visible()
    owner.get_by_role("combobox", name="Kind").select_option("Documents")
    expect(owner.get_by_text("took somebody out of a group")).to_have_count(0)
    screenshot(owner, "audit")


def test_an_answer_is_shared_with_whoever_may_see_its_documents(
    owner: Page, other: Page, library: Service
) -> None:
    def change(method: str, path: str, body: dict[str, str] | None = None) -> Any:
        # as the pages do, from the site itself
        headers = {"Origin": library.base_url}
        return owner.request.fetch(path, method=method, data=body, headers=headers)

    invited = change("POST", "/v1/people", {"name": "eva"}).json()
    access = "/v1/collections/default/access/people/eva"
    change("PUT", access, {"role": "reader"})
    other.goto(invited["link"])
    other.get_by_role("button", name="Sign in").click()
    expect(other.locator("#question")).to_be_visible()

    owner.goto("/")
    ask(owner, "Who created Hug?")
    answer_of(owner, "Timothy Crosley")
    owner.get_by_role("button", name="Share", exact=True).click()
    dialog = owner.get_by_role("dialog", name="Share this answer")
    link = dialog.get_by_label("Link to the answer").input_value()
    screenshot(owner, "share")

    other.goto(link)
    answer_of(other, "Timothy Crosley").locator("button.chip").first.click()
    source = other.get_by_role("region", name="Source", exact=True)
    expect(source.get_by_role("link", name=PDF)).to_be_visible()
    screenshot(other, "shared-answer")
    change("DELETE", access)
    other.reload()
    expect(other.get_by_text("There is no such answer")).to_be_visible()
    change("PUT", access, {"role": "reader"})
    dialog.get_by_role("button", name="Stop sharing").click()
    expect(owner.get_by_text("The answer is yours alone again.")).to_be_visible()
    other.reload()
    expect(other.get_by_text("There is no such answer")).to_be_visible()
    change("DELETE", "/v1/people/eva")


def test_the_door_offers_the_identity_provider_of_the_house(other: Page) -> None:
    ways = {"password": True, "provider": {"title": "Harbour ID", "url": "/sign-in/provider"}}
    other.route("**/v1/sign-in", lambda route: route.fulfill(json=ways))
    other.goto("/sign-in?problem=identity_unknown")
    expect(other.get_by_role("alert")).to_contain_text("nobody has invited you")
    door = other.get_by_role("link", name="Sign in with Harbour ID")
    expect(door).to_have_attribute("href", "/sign-in/provider")
