"""Invalid uploads are refused in one line, and the server goes on."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from bad_files import BAD_FILES
from pads import DirectPad, SocketPad, look_file, photo_file, socket_pad, tiny_studio, web_client
from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import connect

from colorzoo.studio.app import StudioLoader
from colorzoo.studio.protocol import Limits
from colorzoo.studio.server import Address, run_server


@pytest.fixture(scope="module")
def web() -> Iterator[SocketPad]:
    studio = tiny_studio(Limits(pixels=4_000_000))
    with web_client(studio) as client, socket_pad(client) as pad:
        yield pad


def test_a_bad_upload_is_refused_in_one_line(web: SocketPad) -> None:
    for name in BAD_FILES:
        answer = web.open(BAD_FILES[name](), f"{name}.jpg")
        assert answer.type == "error"
        assert answer.body["code"] == "bad_image"
        text = answer.body["message"]
        assert 20 < len(text) < 300
        assert "\n" not in text
        assert "--" not in text  # the pad has no options
        assert "/" not in text.replace("and/or", "")  # no path of the server
        assert web.open(photo_file(), "good.png").type == "photo"  # and the server is still up


def test_a_bad_reference_leaves_the_old_one(pad: DirectPad) -> None:
    pad.open()
    assert pad.ask("attach", look_file(50, 40), slot="exemplar", name="look.png").body["width"] == 50
    kept = pad.session.reference
    assert pad.ask("attach", b"nothing", slot="exemplar").body["code"] == "bad_image"
    assert pad.session.reference is kept


def test_a_failed_open_leaves_the_photo(pad: DirectPad) -> None:
    photo = pad.open()
    assert pad.ask("open", b"nothing").type == "error"
    assert pad.ask("color", recipe={"image": photo["image"]}).type == "colored"


def test_errors_name_the_file_and_recommend_no_option_of_another_command(pad: DirectPad) -> None:
    cut = photo_file(400, 300, kind="JPEG")[:2000]
    for data, name in ((b"nothing", "notes.txt"), (cut, "cut.jpg"), (b"", "empty.png")):
        text = pad.ask("open", data, name=name).body["message"]
        assert text.startswith(name)
        assert "--" not in text
        assert "image is not an image" not in text


def test_a_message_that_is_far_too_large_ends_the_connection() -> None:
    loader = StudioLoader.loaded(tiny_studio(Limits(message_bytes=10_000)))
    with (
        run_server(loader, Address(port=0)) as (url, _),
        connect(f"ws://{urlsplit(url).netloc}/api/ws?{urlsplit(url).query}") as pad,
    ):
        assert pad.response.headers.get("Sec-WebSocket-Extensions") is None  # images are compressed already
        assert pad.response.headers.get("Server") is None
        pad.recv()
        pad.send(" " * 10_001)
        with pytest.raises(ConnectionClosedError) as found:
            pad.recv()
    assert found.value.sent.code == 1009


def test_the_upload_of_another_session_cannot_be_opened(web: SocketPad) -> None:
    with socket_pad(web.client) as other:
        key = web.upload(photo_file()).json()["upload"]
        assert other.ask("open", name="old.png", upload=key).body["code"] == "expired"
        assert web.ask("open", name="old.png", upload=key).type == "photo"
