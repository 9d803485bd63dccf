"""A report served by the studio: its images open in the drawing pad, and other files are rejected."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from browser_pad import SLOW
from pads import client_of, tiny_studio
from PIL import Image
from playwright.sync_api import Page
from starlette.testclient import TestClient

from colorzoo.apps.studio.app import StudioLoader
from colorzoo.apps.studio.protocol import Limits
from colorzoo.apps.studio.server import run_server
from colorzoo.apps.studio.studio import Studio
from colorzoo.batch.report import ReportEntry, serve_report, write_report
from colorzoo.errors import ColorzooError
from tiny_model import gray_image

pytestmark = pytest.mark.browser
NAMES = ("a & b.png", "gone.png", "c.png")


@pytest.fixture
def report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write a two-page report about three images, with injected markup; one image was deleted."""
    monkeypatch.setattr("colorzoo.batch.report.PER_PAGE", 2)
    for name in NAMES:
        if name != "gone.png":
            Image.fromarray(gray_image(60, 90)).save(tmp_path / name)
    path = tmp_path / "r 1.html"
    note = "<img onerror='x()'>"
    write_report(path, [ReportEntry(str(tmp_path / name), f"{name}.color.png", notes=note) for name in NAMES])
    path.write_text(path.read_text().replace("</head>", "<script>document.title = 'theirs'</script></head>"))
    return path


def loader_of(report: Path, studio: Studio) -> StudioLoader:
    loader = StudioLoader(Limits(), report=serve_report(report))
    loader.finish(studio)
    return loader


@pytest.fixture
def page(browser: Any, report: Path) -> Iterator[Page]:
    with run_server(loader_of(report, tiny_studio()), port=0) as (url, _):
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.set_default_timeout(SLOW)
        page.goto(url.replace("/?", f"/report/{quote(report.name)}?"))
        yield page
        page.context.close()


def corrected_image(page: Page, row: int) -> str:
    """Mark an image of the report for correction, and return the name of the image that the link opens."""
    article = page.locator("article").nth(row)
    article.get_by_role("button", name="correct").click()
    with page.expect_popup() as popup:
        article.get_by_role("link").click()
    pad = popup.value
    pad.wait_for_selector(".colorzoo-pad[data-state=ready]", timeout=SLOW)
    name: str = pad.evaluate("() => colorzooPad.photo().name")
    pad.close()
    return name


def test_keys_mark_the_first_image_of_a_report_without_a_click(browser: Any, report: Path) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.goto(report.as_uri())
    page.keyboard.press("c")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("r")
    page.wait_for_selector("article[data-decision=reject]", timeout=SLOW)
    page.wait_for_function("document.getElementById('state').textContent.endsWith('1 reject, 1 correct')")
    page.context.close()


def test_failed_images_of_a_report_cannot_be_decided(browser: Any, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_report(path, [ReportEntry("gone.png", notes="no such file"), ReportEntry("a.png", "a.color.png")])
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.goto(path.as_uri())
    failed, colored = page.locator("article").all()
    assert (failed.get_by_role("button").count(), colored.get_by_role("button").count()) == (0, 3)
    assert "no such file" in failed.inner_text()
    page.keyboard.press("a")  # the first image is focused
    page.keyboard.press("ArrowDown")
    page.keyboard.press("r")
    page.wait_for_selector("article[data-decision=reject]", timeout=SLOW)
    assert page.locator("article[data-decision]").count() == 1
    page.get_by_role("checkbox").check()
    assert not failed.is_visible()
    page.context.close()


def test_samples_of_an_image_are_decided_separately(browser: Any, tmp_path: Path) -> None:
    def sample(name: str, digest: str, uncertainty: float) -> ReportEntry:
        return ReportEntry("/a.png", f"/{name}.png", uncertainty, result_sha256=digest)

    path = tmp_path / "report.html"
    samples = [sample("a.color-2", "2", 5), sample("a.color", "1", 4), sample("a.color-10", "10", 3)]
    write_report(path, samples)
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.goto(path.as_uri())
    for key in ("a", "ArrowDown", "r", "ArrowDown", "a"):
        page.keyboard.press(key)
    page.wait_for_function("document.getElementById('state').textContent.includes('2 accept, 1 reject')")
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save accepted").click()
    assert Path(saved.value.path()).read_text() == "/a.png\n"  # a list for --from contains each image once
    # after another run, the decision on the changed result is deleted
    write_report(path, [samples[1], sample("a.color-2", "new", 2), samples[2]])
    page.reload()
    page.wait_for_function("document.getElementById('state').textContent.includes('1 accept, 1 reject')")
    decisions = [each.get_attribute("data-decision") for each in page.locator("article").all()]
    assert decisions == ["reject", None, "accept"]
    page.context.close()


@pytest.mark.nightly
def test_report_correct_link_opens_the_image_in_the_pad(page: Page) -> None:
    assert page.title() == "Colorized images"  # rendered again without the added script
    assert corrected_image(page, 0) == "a & b.png"
    page.click("nav a")
    page.wait_for_url("**/r*-2.html")
    assert corrected_image(page, 0) == "c.png"
    assert "2 correct" in str(page.text_content("#state"))


def test_studio_rejects_images_outside_the_report(report: Path, tmp_path: Path) -> None:
    Image.fromarray(gray_image(60, 90)).save(tmp_path / "private.png")
    private, named = quote(str(tmp_path / "private.png")), quote(str(tmp_path / "c.png"))
    address = f"/report/{quote(report.name)}"
    with client_of(loader_of(report, tiny_studio())) as client:
        assert client.get(f"/?photo={named}").status_code == 200
        reply = client.get(f"/?photo={private}")
        assert (reply.status_code, "private.png" in reply.text) == (404, True)
        assert first_message(client, f"?photo={private}")["code"] == "expired"
        assert first_message(client, f"?photo={named}")["start"]["name"] == "c.png"
        assert first_message(client, "")["start"] is None
        assert "script-src 'sha256-" in client.get(address).headers["content-security-policy"]
        assert client.get("/report/private.png").status_code == 404
    with client_of(StudioLoader.loaded(tiny_studio())) as client:
        assert [client.get(each).status_code for each in (f"/?photo={named}", address)] == [404, 404]


def first_message(client: TestClient, query: str) -> dict[str, Any]:
    """Return the first message to a pad."""
    with client.websocket_connect(f"/api/ws{query}", headers={"host": "127.0.0.1:8765"}) as socket:
        message: dict[str, Any] = socket.receive_json()
        return message


def test_serve_report_names_invalid_or_missing_pages(report: Path) -> None:
    second = report.with_name("r 1-2.html")
    second.write_text("<p>no data")
    with pytest.raises(ColorzooError, match=r"r 1-2.html must be a report page"):
        serve_report(report)
    second.unlink()
    with pytest.raises(ColorzooError, match=r"r 1-2.html: No such file"):
        serve_report(report)
