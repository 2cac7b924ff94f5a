"""What a person does with files: drop a folder, try again, cancel, unlock, replace, delete."""

import json
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Page, Route, expect

from tests.e2e.browser import NEEDS_CHROMIUM, WAIT_MS, answer_of, ask, screenshot
from tests.e2e.service import DOCUMENTS, Service
from tests.e2e.test_web_pages import check_with_axe

pytestmark = [pytest.mark.weights, NEEDS_CHROMIUM]

PAGE = "sobre-https.md"
PDF = "fastapi-alternatives.pdf"
HUG = "Who created Hug?"


def test_a_folder_is_dropped_with_all_that_is_in_it(page: Page, tmp_path: Path) -> None:
    folder = tmp_path / "handbook"
    (folder / "rules").mkdir(parents=True)
    (folder / "leave.md").write_text("# Leave\n\nTwenty-five days a year.")
    (folder / "rules" / "travel.md").write_text("# Travel\n\nBy train.")
    (folder / ".DS_Store").write_bytes(b"clutter")
    names: list[str] = []

    def refuse(route: Route) -> None:
        names.append((route.request.post_data or "").partition('filename="')[2].partition('"')[0])
        problem = {"status": 415, "code": "unsupported", "detail": "not of a kind that can be read"}
        route.fulfill(status=415, json=problem)

    page.route("**/v1/collections/default/documents", refuse)
    page.goto("/documents")
    expect(page.get_by_role("link", name=PAGE)).to_be_visible()
    drag(page, folder)
    tray = page.get_by_role("region", name="Files being added")
    expect(tray.get_by_text("handbook/rules/travel.md")).to_be_visible()
    expect(tray.get_by_text("handbook/leave.md")).to_be_visible()
    expect(tray.get_by_text("Not of a kind that can be read")).to_have_count(2)
    assert sorted(names) == ["handbook/leave.md", "handbook/rules/travel.md"]


def drag(page: Page, path: Path) -> None:
    """Let go of a file or a folder over the page, as the desktop does."""
    desktop = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(path)], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        desktop.send("Input.dispatchDragEvent", {"type": kind, "x": 640, "y": 400, "data": data})


def test_an_upload_that_broke_is_tried_again_and_one_that_waits_is_cancelled(page: Page) -> None:
    # nobody answers: it is on its way until it is cancelled
    held: list[Route] = []
    page.route("**/v1/collections/default/documents", lambda route: held.append(route))
    page.goto("/documents")
    with page.expect_request("**/v1/collections/default/documents"):
        page.locator("#files").set_input_files([DOCUMENTS / PAGE])
    tray = page.get_by_role("region", name="Files being added")
    with page.expect_event("requestfailed"):
        tray.get_by_role("button", name=f"Cancel {PAGE}").click()
    expect(tray).to_have_count(0)
    held[0].abort()

    page.unroute("**/v1/collections/default/documents")
    page.route("**/v1/collections/default/documents", lambda route: route.abort())
    page.locator("#files").set_input_files([DOCUMENTS / PAGE])
    expect(tray.get_by_text("The upload was interrupted.")).to_be_visible()
    screenshot(page, "upload-interrupted")
    page.unroute("**/v1/collections/default/documents")
    tray.get_by_role("button", name="Try again").click()
    expect(tray.get_by_text("Already here, unchanged")).to_be_visible()


def test_an_encrypted_file_is_read_once_its_password_is_given(page: Page, library: Service) -> None:
    item = library.client.get("/v1/documents").json()["items"][0]
    item |= {"id": "doc_locked", "name": "payroll.pdf", "state": "failed"}
    item["newest"] |= {"job_id": "ver_locked", "state": "failed"}
    job = {
        "id": "ver_locked",
        "document_id": "doc_locked",
        "document_name": "payroll.pdf",
        "version": 1,
        "state": "failed",
        "attempt": 1,
        "error": {"code": "password_required", "message": "it is encrypted", "retryable": False},
    }
    given: list[str | None] = []

    def retry(route: Route) -> None:
        given.append(json.loads(route.request.post_data or "{}").get("password"))
        route.fulfill(json=job | {"state": "queued", "error": None})

    page.route("**/v1/documents*", lambda route: route.fulfill(json={"items": [item]}))
    page.route("**/v1/documents/doc_locked", lambda route: route.fulfill(json=item))
    page.route("**/v1/jobs/ver_locked", lambda route: route.fulfill(json=job))
    page.route("**/v1/jobs/ver_locked/retry", retry)
    page.goto("/documents")
    expect(page.get_by_text("It is encrypted")).to_be_visible()
    page.get_by_role("button", name="Give the password").click()
    dialog = page.get_by_role("dialog", name="Password of payroll.pdf")
    dialog.get_by_label("Password").fill("open sesame")
    screenshot(page, "password")
    dialog.get_by_role("button", name="Open it").click()
    expect(dialog).to_have_count(0)
    assert given == ["open sesame"]


def test_a_file_that_is_added_anew_says_what_changed(
    page: Page, library: Service, tmp_path: Path
) -> None:
    path = tmp_path / "ferries.md"
    path.write_text("# Ferries\n\nThe ferry leaves at nine.\n")
    added = library.add(path)
    path.write_text("# Ferries\n\n" + "The ferry leaves every forty minutes. " * 40)
    page.goto("/documents")
    page.locator("#files").set_input_files([path])
    tray = page.get_by_role("region", name="Files being added")
    expect(tray.get_by_text("Version 2: 1 →")).to_be_visible(timeout=WAIT_MS)
    screenshot(page, "added-anew")
    library.client.delete(f"/v1/documents/{added['document_id']}")


HOSTILE = "<img src=x onerror=window.ran=1>"


def test_documents_are_labelled_found_by_label_and_unlabelled(page: Page) -> None:
    page.goto("/documents")
    page.get_by_role("button", name="Choose several").click()
    for name in (PAGE, PDF):
        page.get_by_role("checkbox", name=f"Choose {name}").check()
    expect(page.get_by_text("2 documents chosen")).to_be_visible()
    page.get_by_role("button", name="Label them").click()
    dialog = page.get_by_role("dialog", name="Label 2 documents")
    dialog.get_by_label("Such as invoices").fill(HOSTILE)
    check_with_axe(page, "labelling")
    dialog.get_by_role("button", name="Save").click()
    expect(page.locator(".label-chip").get_by_text(HOSTILE)).to_have_count(2)
    expect(page.locator("#document-list")).to_be_focused()

    page.get_by_role("link", name=PAGE).click()
    remove = page.get_by_role("button", name=f"Remove the label topic {HOSTILE}")
    remove.click()
    expect(remove).to_have_count(0)
    expect(page.get_by_role("button", name="Add a label")).to_be_focused()
    page.get_by_role("link", name="Documents").first.click()
    page.get_by_role("combobox", name="Label").select_option(f"topic:{HOSTILE}")
    expect(page.get_by_role("link", name=PAGE)).to_have_count(0)
    page.get_by_role("link", name=PDF).click()
    remove.click()
    expect(page.get_by_text("No label yet")).to_be_visible()
    assert page.evaluate("window.ran") is None


def test_a_classifiers_label_is_told_from_a_persons(page: Page, library: Service) -> None:
    item = library.client.get("/v1/documents").json()["items"][0]
    labels = [
        {"name": "kind", "label": "letters", "by": "classifier", "chance": 0.934},
        {"name": "topic", "label": "harbour", "by": "person", "chance": None},
    ]
    page.route(
        "**/v1/documents*", lambda route: route.fulfill(json={"items": [item | {"labels": labels}]})
    )
    page.goto("/documents")
    first, second = page.locator(".label-chip").first, page.locator(".label-chip").last
    expect(first).to_contain_text("given by a classifier, 93% sure")
    expect(second).to_contain_text("given by a person")
    schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
    for scheme in schemes:
        page.emulate_media(color_scheme=scheme)
        check_with_axe(page, f"labels-{scheme}")


def test_passages_that_were_drawn_around_are_asked_about_alone(page: Page) -> None:
    page.goto("/collections/default")
    plane = page.locator(".plane")
    expect(plane.locator("canvas")).to_be_visible(timeout=WAIT_MS)
    plane.scroll_into_view_if_needed()
    box = plane.bounding_box()
    assert box is not None
    left, top = box["x"] + 4, box["y"] + 4
    right, bottom = box["x"] + box["width"] - 4, box["y"] + box["height"] - 4
    page.mouse.move(left, top)
    page.mouse.down()
    for x, y in ((right, top), (right, bottom), (left, bottom)):
        page.mouse.move(x, y, steps=4)
    page.mouse.up()
    these = page.get_by_role("button", name="Ask about these")
    expect(these).to_be_visible()
    screenshot(page, "lasso")
    these.click()
    with page.expect_request("**/v1/answer") as asked:
        ask(page, HUG)
    assert json.loads(asked.value.post_data or "")["filter"]["field"] == "passage"
    answer_of(page, "Timothy Crosley")


def test_feedback_is_kept(page: Page) -> None:
    page.goto("/")
    with page.expect_response("**/v1/answer"):
        ask(page, HUG)
    answer_of(page, "Timothy Crosley")
    good = page.get_by_role("button", name="Good answer")
    with page.expect_response("**/feedback") as told:  # the button shows it before it is stored
        good.click()
    expect(good).to_have_attribute("aria-pressed", "true")
    address = told.value.url.removesuffix("/feedback")
    stored = page.evaluate("(address) => fetch(address).then((reply) => reply.json())", address)
    assert stored["feedback"]["rating"] == "up"


def test_a_question_is_asked_after_what_was_deleted_is_gone(
    page: Page, library: Service, tmp_path: Path
) -> None:
    path = tmp_path / "harbour.md"
    path.write_text("# Harbour\n\nThe harbour master is called Ottoline Vance.\n")
    library.add(path)
    page.goto("/documents")
    page.get_by_role("button", name="Delete harbour.md").click()
    page.keyboard.press("n")
    # no moment is waited for
    with page.expect_response(
        lambda reply: reply.request.method == "DELETE" and "/v1/documents/" in reply.url
    ):
        ask(page, "Who is the harbour master?")
    refusal = page.locator(".exchange").last
    expect(refusal.get_by_text("Not found in your documents")).to_be_visible(timeout=WAIT_MS)
    expect(refusal).not_to_contain_text("Ottoline")
