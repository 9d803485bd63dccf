"""Twenty bad uploads: each a readable line in the page, and the server goes on."""

from collections.abc import Iterator

import pytest
from bad_files import BAD_FILES
from pads import DirectPad, SocketPad, look_file, photo_file, socket_pad, tiny_studio, web_client

from colorzoo.studio.limits import Limits


@pytest.fixture(scope="module")
def web() -> Iterator[SocketPad]:
    studio = tiny_studio(Limits(pixels=4_000_000))
    with web_client(studio) as client, socket_pad(client) as pad:
        yield pad


def test_there_are_twenty() -> None:
    assert len(BAD_FILES) >= 20


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_upload_gets_a_readable_line(web: SocketPad, name: str) -> None:
    answer = web.open(BAD_FILES[name](), f"{name}.jpg")
    assert answer.type == "error"
    assert answer.body["code"] == "bad_picture"
    text = answer.body["message"]
    assert 20 < len(text) < 300
    assert "\n" not in text
    assert "/" not in text.replace("and/or", "")  # no path of the server
    assert web.open(photo_file(), "good.png").type == "photo"  # and the server is still up


def test_a_good_picture_with_a_wrong_name_is_opened(pad: DirectPad) -> None:
    assert pad.open(photo_file(kind="WEBP"), "picture.exe")["width"] == 96


def test_a_bad_reference_leaves_the_old_one(pad: DirectPad) -> None:
    pad.open()
    assert pad.ask("attach", look_file(50, 40), slot="exemplar", name="look.png").body["width"] == 50
    kept = pad.session.reference
    assert pad.ask("attach", b"nothing", slot="exemplar").body["code"] == "bad_picture"
    assert pad.session.reference is kept


def test_a_failed_open_leaves_the_photo(pad: DirectPad) -> None:
    photo = pad.open()
    assert pad.ask("open", b"nothing").type == "error"
    assert pad.ask("color", recipe={"image": photo["image"]}).type == "colored"
