"""The HTTP service returns the results of ``colorzoo colorize``, and one JSON error per invalid request."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from colorzoo.apps.cli.main import main
from colorzoo.apps.studio.access import Access
from colorzoo.apps.studio.server import run_app
from colorzoo.apps.studio.service import ColorService, ServiceLimits, build_service
from colorzoo.batch import FileColorizer
from colorzoo.image_io.provenance import read_provenance
from colorzoo.inference import Colorizer
from tiny_model import NAME, gray_image, tiny_model, write_tiny_weights

TOKEN = "secret"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}
LIMITS = ServiceLimits(request_bytes=200_000, pixels=20_000)


@pytest.fixture(scope="module")
def tiny() -> Colorizer:
    model = tiny_model()
    model.network.unet.class_head.weight.data *= 30  # a flat distribution would count as untrained
    return Colorizer(model, device="cpu", size=64)


@contextmanager
def client_of(service: ColorService) -> Iterator[TestClient]:
    app = build_service(service, Access("127.0.0.1", TOKEN))
    with TestClient(app, base_url="http://127.0.0.1:8000", headers=HEADERS) as client:
        yield client


@pytest.fixture(scope="module")
def client(tiny: Colorizer) -> Iterator[TestClient]:
    with client_of(ColorService(colorizer=tiny, limits=LIMITS)) as found:
        yield found


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "Größe 1.png"
    Image.fromarray(gray_image(80, 96)).save(path, dpi=(300, 300))
    return path


def post(client: TestClient, photo: Path | bytes, name: str = "old.png", **fields: Any) -> Any:
    data = photo if isinstance(photo, bytes) else photo.read_bytes()
    return client.post("/colorize", files={"image": (name, data)}, data=fields)


def error_of(response: Any) -> tuple[int, str]:
    """Return the status and the code of an error, whose message is one line without paths."""
    error = response.json()["error"]
    assert "\n" not in error["message"]
    assert "/tmp" not in error["message"]
    assert "Traceback" not in error["message"]
    assert len(error["message"]) > 10
    return response.status_code, error["code"]


def test_results_equal_those_of_the_command_line(
    tmp_path: Path, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    weights = str(write_tiny_weights(tmp_path / "tiny.safetensors"))
    reference = tmp_path / "warm.png"
    gray = gray_image(50, 60)
    Image.fromarray(np.stack([gray, gray // 2, gray // 3], axis=-1).astype(np.uint8)).save(reference)
    recipe = {"version": 2, "points": [{"x": 20, "y": 30, "color": "#c04020"}], "strength": 0.8}
    (tmp_path / "hints.json").write_text(json.dumps(recipe))
    options = ["--model", NAME, "--weights", weights, "--device", "cpu"]
    service = ColorService(model=NAME, weights=weights, device="cpu")
    with client_of(service) as client:
        for words, form in (
            ([], {}),
            (["--recipe", str(tmp_path / "hints.json")], {"recipe": json.dumps(recipe)}),
            (["--format", "jpg"], {"format": "jpg"}),
        ):
            out = tmp_path / "out.png"
            if "format" in form:
                out = tmp_path / "out.jpg"
                words = []
            assert main(["colorize", str(photo), "-o", str(out), "--overwrite", *options, *words]) == 0
            reply = post(client, photo, photo.name, **form)
            assert reply.status_code == 200, reply.text
            assert reply.content == out.read_bytes()
            assert reply.headers["content-type"] == f"image/{'jpeg' if form.get('format') else 'png'}"
            assert reply.headers["colorzoo-model"] == NAME
    record = read_provenance(out)
    assert record is not None
    assert record.name == photo.name


def test_models_for_photos_and_drawings_are_loaded_before_the_first_request(
    photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = ColorService(device="cpu")
    service.load()
    monkeypatch.setattr("colorzoo.batch.runner.Colorizer", lambda *_, **__: pytest.fail("a model was loaded"))
    lines = np.full((300, 200), 255, np.uint8)
    lines[50:250:40, 20:180] = lines[50:250, 20:180:40] = 0
    data = io.BytesIO()
    Image.fromarray(lines).save(data, "PNG")
    with client_of(service) as client:
        replies = [post(client, each) for each in (photo, data.getvalue())]
    assert [reply.headers["colorzoo-model"] for reply in replies] == ["colorzoo2026", "colorzoo2026_drawing"]


def test_references_are_sent_as_files(tmp_path: Path, photo: Path) -> None:
    reference = tmp_path / "warm.png"
    gray = gray_image(50, 60)
    Image.fromarray(np.stack([gray, gray // 2, gray // 3], axis=-1).astype(np.uint8)).save(reference)
    out = tmp_path / "out.png"
    words = ["--reference", str(reference), "--model", "xu2020_small", "--device", "cpu"]
    assert main(["colorize", str(photo), "-o", str(out), *words]) == 0
    with client_of(ColorService(model="xu2020_small", device="cpu")) as client:
        files = {"image": ("old.png", photo.read_bytes()), "reference": ("warm.png", reference.read_bytes())}
        reply = client.post("/colorize", files=files)
    (tmp_path / "reply.png").write_bytes(reply.content)
    with Image.open(out) as expected, Image.open(tmp_path / "reply.png") as found:
        assert np.array_equal(expected, found)
    ours, theirs = read_provenance(tmp_path / "reply.png"), read_provenance(out)
    assert ours is not None
    assert theirs is not None
    assert (ours.settings, ours.files, ours.recipe) == (theirs.settings, theirs.files, theirs.recipe)


def test_all_pages_of_a_tiff_are_colorized(client: TestClient, tmp_path: Path) -> None:
    path = tmp_path / "pages.tif"
    first, *more = (Image.fromarray(gray_image(60, 80 + index)) for index in range(3))
    first.save(path, save_all=True, append_images=more)
    reply = post(client, path, "pages.tif")
    assert reply.status_code == 200, reply.text
    (tmp_path / "reply.tif").write_bytes(reply.content)
    with Image.open(path) as source, Image.open(tmp_path / "reply.tif") as found:
        assert found.n_frames == source.n_frames > 1


def test_invalid_requests_return_one_error_each(client: TestClient, photo: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(photo.read_bytes())
    large = tmp_path / "large.png"
    Image.new("L", (300, 100)).save(large)

    def of_recipe(recipe: object) -> tuple[int, str]:
        return error_of(post(client, photo, recipe=recipe if isinstance(recipe, str) else json.dumps(recipe)))

    assert of_recipe({"colour": 1}) == (400, "bad_recipe")
    assert of_recipe({"points": [{"x": 1}]}) == (400, "bad_recipe")
    assert of_recipe({"points": [{"x": 900, "y": 1, "color": "#c04020"}]}) == (400, "bad_recipe")
    assert of_recipe({"exemplar": {"path": str(secret)}}) == (400, "bad_recipe")
    assert of_recipe({"classes": {"file": str(secret)}}) == (400, "bad_recipe")
    assert of_recipe(str(secret)) == of_recipe("[1]") == of_recipe("{" * 9000) == (400, "bad_recipe")
    assert of_recipe("") == (400, "bad_recipe")
    assert error_of(post(client, b"nothing")) == (400, "bad_image")
    assert error_of(post(client, photo.read_bytes()[:300])) == (400, "bad_image")
    assert error_of(post(client, b"")) == (400, "bad_image")
    assert error_of(post(client, large)) == (400, "bad_image")
    assert error_of(post(client, bytes(300_000))) == (413, "too_large")
    assert error_of(post(client, photo, format="exe")) == (400, "bad_request")
    image = {"image": ("a.png", photo.read_bytes()), "format": ("png", b"png")}
    assert error_of(client.post("/colorize", files=image)) == (400, "bad_request")
    assert error_of(post(client, photo, colour="red")) == (400, "bad_request")
    assert error_of(post(client, photo, recipe=["{}", "{}"])) == (400, "bad_request")
    assert error_of(post(client, photo, reference="look.png")) == (400, "bad_request")
    assert error_of(client.post("/colorize", data={"image": "text"})) == (415, "not_form")
    assert error_of(client.post("/colorize", content=b"{}")) == (415, "not_form")
    form = {"Content-Type": "multipart/form-data"}
    assert error_of(client.post("/colorize", content=b"x", headers=form)) == (400, "bad_request")
    form = {"Content-Type": "multipart/form-data; boundary=b"}
    assert error_of(client.post("/colorize", content=b"--c\r\n", headers=form)) == (400, "bad_request")
    cut = (
        b'--b\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n' + photo.read_bytes()
    )
    assert error_of(client.post("/colorize", content=cut, headers=form)) == (400, "bad_request")
    too_large = form | {"Content-Length": str(4 * 2**30)}
    assert error_of(client.post("/colorize", content=cut, headers=too_large)) == (413, "too_large")
    chunks = iter([cut, *[bytes(50_000)] * 6])  # sent in chunks, without a declared length
    assert error_of(client.post("/colorize", content=chunks, headers=form)) == (413, "too_large")
    assert error_of(client.get("/colorize")) == (405, "method")
    assert error_of(client.get("/nothing")) == (404, "not_found")
    wrong = {"Authorization": "Bearer guess"}
    for method, path in (("POST", "/colorize"), ("GET", "/models")):
        assert error_of(client.request(method, path, headers=wrong)) == (403, "refused")
    assert error_of(client.get("/", headers={"Host": "example.org"})) == (403, "refused")
    assert error_of(client.get("/", headers={"Origin": "https://example.org"})) == (403, "refused")
    assert post(client, photo).status_code == 200
    assert client.get("/health").json()["requests"] == 0


def test_formats_that_cannot_be_written_become_png(client: TestClient, tmp_path: Path) -> None:
    path = tmp_path / "scan.jp2"
    Image.fromarray(gray_image(60, 80)).save(path)
    reply = post(client, path, path.name)
    assert reply.headers["content-type"] == "image/png"
    assert 'filename="scan.color.jp2.png"' in reply.headers["content-disposition"]


def test_names_of_uploads_cannot_leave_the_folder(client: TestClient, photo: Path) -> None:
    for name in ("../../evil.png", "..", "a\\b.png", "x" * 400 + ".png", "old." + "y" * 300, "\ud800.png"):
        data = photo.read_bytes()
        head = f'--b\r\nContent-Disposition: form-data; name="image"; filename="{name}"\r\n\r\n'
        body = head.encode("utf-8", "surrogatepass") + data + b"\r\n--b--\r\n"
        form = {"Content-Type": "multipart/form-data; boundary=b"}
        reply = client.post("/colorize", content=body, headers=form)
        assert reply.status_code == 200, reply.text
        assert "/" not in reply.headers["content-disposition"].replace("%2F", "/")


def test_unexpected_errors_return_no_details(
    client: TestClient, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise KeyError("/tmp/private")

    monkeypatch.setattr(FileColorizer, "color", fail)
    assert error_of(post(client, photo)) == (500, "internal")


def test_missing_weights_are_reported_without_paths_of_the_server(
    photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    cache = tmp_path / "first last"
    monkeypatch.setenv("COLORZOO_HOME", str(cache))
    monkeypatch.setenv("COLORZOO_OFFLINE", "1")
    with client_of(ColorService(device="cpu")) as client:
        reply = post(client, photo, recipe='{"version": 2, "model": "zhang2016"}')
    assert error_of(reply) == (400, "unsupported")
    message = reply.json()["error"]["message"]
    assert "COLORZOO_OFFLINE is set. Copy the file from https://colorizers" in message
    assert " to weights/zhang2016-published-" in message
    assert "last/" not in message
    assert str(cache) in caplog.text


def test_pages_describe_the_requests(client: TestClient) -> None:
    description = client.get("/openapi.json", headers={"Authorization": ""}).json()
    assert set(description["paths"]) == {"/colorize", "/models", "/health"}
    form = description["paths"]["/colorize"]["post"]["requestBody"]["content"]["multipart/form-data"]
    assert set(form["schema"]["properties"]) == {"image", "recipe", "reference", "format"}
    page = client.get("/", headers={"Authorization": ""})
    assert page.headers["content-type"].startswith("text/html")
    cards = client.get("/models").json()
    assert {"colorzoo2026", NAME} <= {card["name"] for card in cards}
    assert all("default_for" in card for card in cards)


# With a real socket


def raw_post(url: str, body: bytes, length: int | None = None, token: str = TOKEN) -> socket.socket:
    """Send the head and the beginning of a request and return the connection."""
    address = urlsplit(url)
    assert address.hostname is not None
    connection = socket.create_connection((address.hostname, address.port or 80), timeout=60)
    head = (
        f"POST /colorize HTTP/1.1\r\nHost: {address.netloc}\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {length or len(body)}\r\n\r\n"
    )
    connection.sendall(head.encode() + body)
    return connection


def status_of(connection: socket.socket) -> int:
    """Return the status of the response and close the connection."""
    with connection, connection.makefile("rb") as file:
        return int(file.readline().split()[1])


def form_of(photo: Path) -> bytes:
    head = b'--b\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n'
    return head + photo.read_bytes() + b"\r\n--b--\r\n"


def eventually(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


class BlockedNetwork:
    """Blocks `FileColorizer.color` until `release` is set.

    Attributes:
        started: Whether a request has reached the network.
        colored: Number of images that the network colorized.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.started, self.release, self.colored = threading.Event(), threading.Event(), 0
        original = FileColorizer.color

        def blocked(files: FileColorizer, opened: Any) -> Any:
            self.started.set()
            self.release.wait(60)
            result = original(files, opened)  # stops before the first layer if the request is cancelled
            self.colored += 1
            return result

        monkeypatch.setattr(FileColorizer, "color", blocked)


@contextmanager
def running(service: ColorService) -> Iterator[str]:
    with run_app(partial(build_service, service), port=0, token=TOKEN) as (url, _):
        yield url.partition("?")[0]


def test_slow_and_large_uploads_get_one_answer(tiny: Colorizer, photo: Path) -> None:
    service = ColorService(colorizer=tiny, limits=ServiceLimits(transfer_seconds=3))
    with running(service) as url:
        assert status_of(raw_post(url, b"", 4 * 2**30)) == 413  # refused by its declared length
        assert status_of(raw_post(url, b"--b", 1000, token="guess")) == 403
        assert status_of(raw_post(url, b"--b", 1000)) == 408  # sends nothing more
        raw_post(url, form_of(photo)[:200], 9000).close()  # disconnects during the upload
        assert status_of(raw_post(url, form_of(photo))) == 200
        eventually(lambda: service.requests == 0)


def test_upload_of_single_bytes_is_limited_by_its_total_time(tiny: Colorizer) -> None:
    service = ColorService(colorizer=tiny, limits=ServiceLimits(transfer_seconds=1.5))
    with running(service) as url:
        head = b'--b\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n'
        connection, start = raw_post(url, head, 100_000), time.monotonic()
        with contextlib.suppress(ConnectionError):  # the server closes the connection after its answer
            while time.monotonic() < start + 60 and not select.select([connection], [], [], 0.1)[0]:
                connection.sendall(b"x")  # never idle for longer than the limit
        assert status_of(connection) == 408
        assert time.monotonic() < start + 30
        eventually(lambda: service.requests == 0)


def test_images_of_disconnected_clients_are_not_colorized(
    tiny: Colorizer, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = BlockedNetwork(monkeypatch)
    service = ColorService(colorizer=tiny, limits=ServiceLimits(requests=2))
    with running(service) as url:
        first, second = raw_post(url, form_of(photo)), raw_post(url, form_of(photo))
        eventually(lambda: network.started.is_set() and service.requests == 2)
        assert status_of(raw_post(url, form_of(photo))) == 503  # there is no free place
        first.close()
        second.close()
        time.sleep(0.5)  # until the server has noticed
        network.release.set()
        eventually(lambda: service.requests == 0)
        assert network.colored == 0
        assert status_of(raw_post(url, form_of(photo))) == 200
        assert network.colored == 1


def test_time_limit_stops_an_image(tiny: Colorizer, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = BlockedNetwork(monkeypatch)
    service = ColorService(colorizer=tiny, limits=ServiceLimits(color_seconds=0.2))
    with running(service) as url:
        connection = raw_post(url, form_of(photo))
        time.sleep(1)
        network.release.set()
        assert status_of(connection) == 503
        assert network.colored == 0


def test_stopping_the_server_returns_busy_for_unfinished_requests(
    tiny: Colorizer, photo: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    network = BlockedNetwork(monkeypatch)
    caplog.set_level("ERROR", "uvicorn.error")
    monkeypatch.setattr(logging.getLogger("uvicorn"), "propagate", True)
    with running(ColorService(colorizer=tiny, limits=LIMITS)) as url:
        coloring, uploading = raw_post(url, form_of(photo)), raw_post(url, form_of(photo)[:200], 9000)
        eventually(network.started.is_set)
        threading.Timer(3, network.release.set).start()  # after the grace period of the server
    for connection in (coloring, uploading):
        with connection, connection.makefile("rb") as file:
            head, _, body = file.read().partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: 5" in head.lower()
        assert json.loads(body)["error"]["code"] == "busy"
    assert network.colored == 0
    assert not any(record.exc_info for record in caplog.records)


def test_serve_reads_the_token_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tokens: list[str | None] = []
    monkeypatch.setattr(ColorService, "load", lambda _: None)
    monkeypatch.setattr(
        "colorzoo.apps.studio.service.serve_requests", lambda _, token, **__: tokens.append(token)
    )
    for variable, words in (("hidden", []), ("hidden", ["--token", "named"]), ("", [])):
        monkeypatch.setenv("COLORZOO_TOKEN", variable)
        assert main(["serve", *words]) == 0
    assert tokens == ["hidden", "named", None]
    monkeypatch.setenv("COLORZOO_TOKEN", "two words")
    assert main(["serve"]) == 2
    assert "COLORZOO_TOKEN" in capsys.readouterr().err


def test_serve_reports_invalid_options(capsys: pytest.CaptureFixture[str]) -> None:
    for words, problem in ((["--token", "two words"], "--token"), (["--model", "nothing"], "unknown model")):
        assert main(["serve", *words]) == 2
        assert problem in capsys.readouterr().err


def test_serve_reports_a_used_port_before_torch_is_imported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("colorzoo.apps.cli.colorize.import_torch", lambda: pytest.fail("torch was imported"))
    with socket.create_server(("127.0.0.1", 0)) as used:
        port = used.getsockname()[1]
        assert main(["serve", "--port", str(port)]) == 2
    assert str(port) in capsys.readouterr().err
