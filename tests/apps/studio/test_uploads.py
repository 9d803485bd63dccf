"""Invalid uploads give one-line errors, and the server continues."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from bad_files import BAD_FILES
from pads import DirectPad, SocketPad, exemplar_file, photo_file, socket_pad, tiny_studio, web_client
from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import connect

from colorzoo.apps.studio.app import StudioLoader
from colorzoo.apps.studio.protocol import Limits
from colorzoo.apps.studio.server import run_server


@pytest.fixture(scope="module")
def web() -> Iterator[SocketPad]:
    studio = tiny_studio(Limits(pixels=4_000_000))
    with web_client(studio) as client, socket_pad(client) as pad:
        yield pad


def test_invalid_uploads_return_one_line_errors(web: SocketPad) -> None:
    for name in BAD_FILES:
        reply = web.open(BAD_FILES[name](), f"{name}.jpg")
        assert reply.type == "error"
        assert reply.body["code"] == "bad_image"
        text = reply.body["message"]
        assert 20 < len(text) < 300
        assert "\n" not in text
        assert "--" not in text  # the pad has no options
        assert "/" not in text.replace("and/or", "")  # no server paths
        assert web.open(photo_file(), "good.png").type == "photo"  # the server still works


def test_attach_keeps_the_old_reference_after_an_invalid_file(pad: DirectPad) -> None:
    pad.open()
    assert pad.call("attach", exemplar_file(50, 40), slot="exemplar", name="look.png").body["width"] == 50
    kept = pad.session.reference
    assert pad.call("attach", b"nothing", slot="exemplar").body["code"] == "bad_image"
    assert pad.session.reference is kept


def test_open_keeps_the_old_image_after_an_invalid_file(pad: DirectPad) -> None:
    photo = pad.open()
    assert pad.call("open", b"nothing").type == "error"
    assert pad.call("color", recipe={"image": photo["image"]}).type == "colored"


def test_open_errors_name_the_file_and_no_command_line_options(pad: DirectPad) -> None:
    cut = photo_file(400, 300, kind="JPEG")[:2000]
    for data, name in ((b"nothing", "notes.txt"), (cut, "cut.jpg"), (b"", "empty.png")):
        text = pad.call("open", data, name=name).body["message"]
        assert text.startswith(name)
        assert "--" not in text
        assert "image is not an image" not in text


def test_oversized_message_closes_the_connection() -> None:
    loader = StudioLoader.loaded(tiny_studio(Limits(message_bytes=10_000)))
    with (
        run_server(loader, port=0) as (url, _),
        connect(f"ws://{urlsplit(url).netloc}/api/ws?{urlsplit(url).query}") as pad,
    ):
        assert pad.response.headers.get("Sec-WebSocket-Extensions") is None  # images are compressed already
        assert pad.response.headers.get("Server") is None
        pad.recv()
        pad.send(" " * 10_001)
        with pytest.raises(ConnectionClosedError) as found:
            pad.recv()
    assert found.value.sent.code == 1009


def test_open_rejects_uploads_of_another_session(web: SocketPad) -> None:
    with socket_pad(web.client) as other:
        key = web.upload(photo_file()).json()["upload"]
        assert other.call("open", name="old.png", upload=key).body["code"] == "expired"
        assert web.call("open", name="old.png", upload=key).type == "photo"
