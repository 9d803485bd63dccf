"""The HTTP service returns the results of ``colorzoo colorize``, and one JSON error per invalid request."""

from __future__ import annotations

import contextlib
import email.message
import email.utils
import io
import itertools
import json
import logging
import re
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from colorzoo.apps.cli.main import main
from colorzoo.apps.studio.service import ColorService, ServiceLimits
from colorzoo.batch import FileColorizer
from colorzoo.errors import ColorzooError
from colorzoo.image_io.provenance import read_provenance
from colorzoo.inference import Colorizer
from running_service import (
    LIMITS,
    BlockedNetwork,
    client_of,
    error_of,
    eventually,
    form_of,
    post,
    raw_post,
    running,
    status_of,
    tiny_colorizer,
    write_photo,
)
from tiny_model import NAME, gray_image, write_tiny_weights


@pytest.fixture(scope="module")
def tiny() -> Colorizer:
    return tiny_colorizer()


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    return write_photo(tmp_path)


@pytest.fixture(scope="module")
def client(tiny: Colorizer) -> Iterator[TestClient]:
    with client_of(ColorService(colorizer=tiny, limits=LIMITS)) as found:
        yield found


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
    assert error_of(reply) == (400, "no_model")
    message = reply.json()["error"]["message"]
    assert "COLORZOO_OFFLINE is set. Copy the file from https://colorizers" in message
    assert " to weights/zhang2016-published-" in message
    assert "last/" not in message
    assert str(cache) in caplog.text


def test_pages_describe_the_requests(client: TestClient) -> None:
    description = client.get("/openapi.json", headers={"Authorization": ""}).json()
    form = description["paths"]["/colorize"]["post"]["requestBody"]["content"]["multipart/form-data"]
    assert set(form["schema"]["properties"]) == {"image", "recipe", "reference", "format"}
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            reply = client.request(method, path, headers={"Authorization": ""})
            is_open = operation.get("security") == []  # other requests require the token
            assert reply.status_code == (200 if is_open else 403), path
            assert str(client.request(method, path).status_code) in {*operation["responses"]}, path
    assert client.get("/health").json().keys() == {"status", "version", "requests"}
    page = client.get("/", headers={"Authorization": ""})
    assert page.headers["content-type"].startswith("text/html")
    cards = client.get("/models").json()
    assert {"colorzoo2026", NAME} <= {card["name"] for card in cards}
    assert all("default_for" in card for card in cards)


def encoded(kind: str, images: int = 1) -> bytes:
    first, *more = (Image.fromarray(gray_image(40, 60 - 5 * index)) for index in range(images))
    data = io.BytesIO()
    first.save(data, kind, **({"save_all": True, "append_images": more} if more else {}))
    return data.getvalue()


@pytest.mark.parametrize("name", ["blob", "", "scan", "wrong.png", "wrong.psd"])
@pytest.mark.parametrize(
    ("kind", "images", "mime"),
    [
        ("JPEG", 1, "jpeg"),
        ("MPO", 2, "jpeg"),
        ("GIF", 3, "gif"),
        ("TIFF", 3, "tiff"),
        ("WEBP", 1, "webp"),
        ("AVIF", 1, "avif"),
        ("BMP", 1, "bmp"),
        ("PNG", 1, "png"),
        ("JPEG2000", 1, "png"),
        ("PPM", 1, "png"),
    ],
)
def test_format_of_the_result_depends_on_the_content_of_the_image(
    client: TestClient, name: str, kind: str, images: int, mime: str
) -> None:
    # httpx sends no file without a name
    head = f'--b\r\nContent-Disposition: form-data; name="image"; filename="{name}"\r\n\r\n'.encode()
    form = {"Content-Type": "multipart/form-data; boundary=b"}
    body = head + encoded(kind, images) + b"\r\n--b--\r\n"
    reply = client.post("/colorize", content=body, headers=form)
    assert reply.headers.get("content-type") == f"image/{mime}", reply.text[:200]
    with Image.open(io.BytesIO(reply.content)) as found:
        assert found.get_format_mimetype() == f"image/{mime}"
        assert getattr(found, "n_frames", 1) == (images if kind in ("GIF", "TIFF") else 1)


@pytest.mark.parametrize(("name", "kind"), [("a.JPEG", "JPEG"), ("a.apng", "PNG"), ("a.dib", "BMP")])
def test_names_that_fit_the_content_keep_their_extension(client: TestClient, name: str, kind: str) -> None:
    reply = post(client, encoded(kind), name)
    assert f'filename="a.color{name[1:]}"' in reply.headers["content-disposition"]


EMPTY = [
    ("reference", ("", b"")),
    ("reference", ("blob", b"")),
    ("recipe", ("", b"")),
    ("recipe", (None, b"")),
    ("recipe", (None, b" \n")),
    ("format", (None, b"")),
]


@pytest.mark.parametrize("fields", [*([each] for each in EMPTY), EMPTY], ids=str)
def test_fields_that_a_browser_leaves_empty_are_ignored(
    client: TestClient, photo: Path, fields: list[tuple[str, tuple[str | None, bytes]]]
) -> None:
    expected = post(client, photo, photo.name)
    reply = raw_form(client, [("image", (photo.name, photo.read_bytes())), *fields])
    assert reply.status_code == 200, reply.text
    assert reply.content == expected.content
    assert reply.headers["colorzoo-notes"] == expected.headers["colorzoo-notes"]


def raw_form(client: TestClient, parts: list[tuple[str, tuple[str | None, bytes]]]) -> Any:
    """Send parts of a field name, a file name or None, and the content, as browsers do."""
    body = b""
    for field, (name, content) in parts:
        file = "" if name is None else f'; filename="{name}"'
        body += f'--b\r\nContent-Disposition: form-data; name="{field}"{file}\r\n\r\n'.encode()
        body += content + b"\r\n"
    form = {"Content-Type": "multipart/form-data; boundary=b"}
    return client.post("/colorize", content=body + b"--b--\r\n", headers=form)


def test_empty_files_with_a_name_and_empty_images_are_errors(client: TestClient, photo: Path) -> None:
    image = ("image", ("a.png", photo.read_bytes()))
    assert error_of(raw_form(client, [image, ("reference", ("look.png", b""))])) == (400, "bad_image")
    assert error_of(raw_form(client, [image, ("recipe", ("r.json", b""))])) == (400, "bad_recipe")
    assert error_of(raw_form(client, [image, ("colour", (None, b""))])) == (400, "bad_request")
    assert error_of(raw_form(client, [("image", ("", b""))])) == (400, "bad_request")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_recipes_are_read_with_a_byte_order_mark(client: TestClient, photo: Path, encoding: str) -> None:
    recipe = '{"strength": 0.5, "x_name": "Größe"}'
    plain = raw_form(client, [("image", ("a.png", photo.read_bytes())), ("recipe", (None, recipe.encode()))])
    assert plain.content != raw_form(client, [("image", ("a.png", photo.read_bytes()))]).content
    # a text field has the encoding of the form
    names = ["r.json"] if encoding == "utf-16" else ["r.json", None]
    for name in names:
        parts = [("image", ("a.png", photo.read_bytes())), ("recipe", (name, recipe.encode(encoding)))]
        reply = raw_form(client, parts)
        assert reply.status_code == 200, reply.text
        assert reply.content == plain.content


@pytest.mark.parametrize(
    ("parameter", "name"),
    [
        ("filename*=UTF-8''Gr%C3%B6%C3%9Fe.png", "Größe.color.png"),
        ("filename*=utf-8'de'a%20b.png", "a b.color.png"),
        ("filename*=iso-8859-1''Gr%F6%DFe.png", "Größe.color.png"),
        ("filename*=\"UTF-8''a.png\"", "a.color.png"),
        ("FileName* = UTF-8''a%22%3B.png", "a_;.color.png"),
        ("filename=\"old.png\"; filename*=UTF-8''new.png", "new.color.png"),
        ("filename*=UTF-8''..%2F..%2Fevil.png", "evil.color.png"),
    ],
)
def test_files_can_have_only_an_extended_name(
    client: TestClient, photo: Path, parameter: str, name: str
) -> None:
    head = f'--b\r\nContent-Disposition: form-data; name="image"; {parameter}\r\n\r\n'
    body = head.encode() + photo.read_bytes() + b"\r\n--b--\r\n"
    form = {"Content-Type": "multipart/form-data; boundary=b"}
    pieces = [body[index : index + 1] for index in range(120)]  # the second request splits the header
    for content in (body, iter([*pieces, body[120:]])):
        reply = client.post("/colorize", content=content, headers=form)
        assert reply.status_code == 200, reply.text
        message = email.message.Message()
        message["content-disposition"] = reply.headers["content-disposition"]
        assert email.utils.collapse_rfc2231_value(message.get_filename()) == name


@pytest.mark.parametrize(("count", "status"), [(8, 200), (9, 400), (30, 400)])
def test_a_form_has_at_most_eight_references(photo: Path, count: int, status: int) -> None:
    image = ("image", ("a.png", photo.read_bytes()))
    look = io.BytesIO()
    Image.new("RGB", (40, 30), "orange").save(look, "PNG")
    reference = ("reference", ("look.png", look.getvalue()))
    with client_of(ColorService(model="xu2020_small", device="cpu")) as client:
        reply = raw_form(client, [image, *[reference] * count, ("reference", ("", b""))])
    assert reply.status_code == status, reply.text
    if status == 400:
        assert error_of(reply) == (400, "bad_request")
        assert f"got {count}" in reply.json()["error"]["message"]


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("Bearer secret", 200),
        ("bearer secret", 200),
        ("BEARER   secret", 200),
        ("secret", 403),
        ("Basic secret", 403),
        ("Bearer", 403),
        ("Bearer ", 403),
        ("Bearersecret", 403),
        ("Bearer Secret", 403),
        ("", 403),
    ],
)
def test_the_token_requires_the_scheme_bearer_in_any_case(
    client: TestClient, header: str, status: int
) -> None:
    assert client.get("/models", headers={"Authorization": header}).status_code == status


def test_documented_errors_are_the_errors_of_requests(
    tiny: Colorizer, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each code of the manual and of the OpenAPI description has a request that returns it."""

    def fail(error: BaseException) -> Callable[..., Any]:
        def raise_error(*_: object) -> Any:
            raise error

        return raise_error

    with client_of(ColorService(colorizer=tiny, limits=LIMITS)) as client:
        image = {"image": ("a.png", photo.read_bytes())}
        replies = [
            client.post("/colorize", files=image, data={"colour": "red"}),
            post(client, b"nothing"),
            post(client, photo, recipe="{"),
            client.get("/models", headers={"Authorization": "Bearer guess"}),
            client.get("/nothing"),
            client.get("/colorize"),
            client.post("/colorize", content=b"{}"),
            post(client, bytes(300_000)),
        ]
        for error in (ColorzooError("the model predicted NaN"), KeyError("private"), MemoryError()):
            with monkeypatch.context() as patch:
                patch.setattr(FileColorizer, "color", fail(error))
                replies.append(post(client, photo))
    with client_of(ColorService(device="cpu")) as client:
        for name in ("nothing", "kim2021"):  # an unknown model, and a model without weights
            replies.append(post(client, photo, recipe=json.dumps({"model": name})))
    with client_of(ColorService(colorizer=tiny, limits=ServiceLimits(requests=0))) as client:
        replies.append(post(client, photo))
        assert replies[-1].headers["Retry-After"] == "5"
    with client_of(ColorService(colorizer=tiny, limits=ServiceLimits(color_seconds=0))) as client:
        replies.append(post(client, photo))
    service = ColorService(colorizer=tiny)
    monkeypatch.setattr(service, "network_answers", lambda: False)
    with client_of(service) as client:
        replies.append(client.get("/health"))
        description = client.get("/openapi.json").json()
    service = ColorService(colorizer=tiny, limits=ServiceLimits(transfer_seconds=0.5))
    with (
        running(service) as url,
        raw_post(url, b"--b", 1000) as connection,
        connection.makefile("rb") as file,
    ):
        head, _, body = file.read().partition(b"\r\n\r\n")
    assert json.loads(body)["error"]["code"] == "timeout"
    found = {(int(head.split()[1]), "timeout"), *map(error_of, replies)}
    manual = (Path(__file__).parents[2] / "docs" / "serve.md").read_text(encoding="utf-8")
    documented = {
        (int(status), code)
        for statuses, codes in re.findall(r"^\| ([\d, ]+) \| ([`\w, ]+) \|", manual, re.MULTILINE)
        for status, code in itertools.zip_longest(
            statuses.split(", "), re.findall(r"`(\w+)`", codes), fillvalue=statuses.split(", ")[-1]
        )
    }
    assert found == documented
    schema = description["components"]["responses"]["Error"]["content"]["application/json"]["schema"]
    assert {code for _, code in found} == set(schema["properties"]["error"]["properties"]["code"]["enum"])
    responses = {
        int(status)
        for methods in description["paths"].values()
        for each in methods.values()
        for status in each["responses"]
    }
    assert {status for status, _ in found} - responses == {404, 405}  # of other paths and methods


def test_options_of_serve_set_the_documented_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[tuple[ColorService, dict[str, Any]]] = []
    monkeypatch.setattr(ColorService, "load", lambda _: None)
    monkeypatch.setattr(
        "colorzoo.apps.studio.service.serve_requests", lambda service, **more: served.append((service, more))
    )
    assert main(["serve"]) == 0
    words = ["--max-size", "2", "--max-pixels", "3", "--max-requests", "4", "--timeout", "5", "--drain", "6"]
    assert main(["serve", *words]) == 0
    (default, options), (service, changed) = served
    assert default.limits == ServiceLimits(64 * 2**20, 100_000_000, 16, 300, 300)
    assert service.limits == ServiceLimits(2 * 2**20, 3_000_000, 4, 300, 5)
    assert (options["drain"], changed["drain"]) == (30, 6)


# With a real socket


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
