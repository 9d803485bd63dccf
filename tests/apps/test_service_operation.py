"""Operation of the HTTP service: stopping, health, readiness, log, metrics and temporary files."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
import torch
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from colorzoo.apps.cli.main import main
from colorzoo.apps.studio.access import Access
from colorzoo.apps.studio.monitor import access_log
from colorzoo.apps.studio.service import ColorService, ServiceLimits, build_service, serve_requests
from colorzoo.inference import Colorizer
from running_service import (
    HEADERS,
    TOKEN,
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


@pytest.fixture(scope="module")
def tiny() -> Colorizer:
    return tiny_colorizer()


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    return write_photo(tmp_path)


def get(url: str) -> tuple[int, Any, Any]:
    """Return the status, the JSON body and the headers of a response."""
    try:
        with urlopen(url, timeout=20) as reply:
            return reply.status, json.load(reply), reply.headers
    except HTTPError as error:
        return error.code, json.load(error), error.headers


@contextmanager
def in_thread(act: Callable[[], None]) -> Iterator[None]:
    """Run a function in a thread while the ``with`` block runs; raise its error afterwards."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            act()
        except BaseException as error:
            errors.append(error)
            os.kill(os.getpid(), signal.SIGTERM)  # the server must not run forever

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        thread.join(60)
        assert not errors, errors


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def accepts(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def test_accepted_requests_end_and_new_requests_are_refused_while_the_server_stops(
    tiny: Colorizer, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, port = BlockedNetwork(monkeypatch), free_port()
    service, url = ColorService(colorizer=tiny), f"http://127.0.0.1:{port}"
    statuses: list[int] = []

    def act() -> None:
        eventually(lambda: accepts(port))
        assert get(f"{url}/ready")[:2] == (200, {"status": "ready"})
        accepted = [raw_post(url, form_of(photo)) for _ in range(7)]
        body = form_of(photo)
        uploading = raw_post(url, body[:200], len(body))
        eventually(lambda: network.started.is_set() and service.requests == 8)
        os.kill(os.getpid(), signal.SIGTERM)
        eventually(lambda: service.stopping)
        with raw_post(url, form_of(photo)) as refused, refused.makefile("rb") as file:
            head = file.read().lower()
        assert head.startswith(b"http/1.1 503 ")
        assert b"retry-after: 5" in head
        status, error, headers = get(f"{url}/ready")
        assert (status, error["error"]["code"], headers["Retry-After"]) == (503, "busy", "5")
        status, state, _ = get(f"{url}/health")
        assert (status, state["status"], state["requests"]) == (200, "stopping", 8)
        network.release.set()
        uploading.sendall(body[200:])
        statuses.extend(map(status_of, [*accepted, uploading]))

    with in_thread(act):
        serve_requests(service, port=port, token=TOKEN, drain=600)
    assert statuses == [200] * 8
    assert not accepts(port)


@pytest.mark.parametrize("signals", [1, 2])
def test_requests_end_at_the_drain_limit_or_at_the_second_signal(
    tiny: Colorizer,
    photo: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    signals: int,
) -> None:
    network, port = BlockedNetwork(monkeypatch), free_port()
    service, url = ColorService(colorizer=tiny), f"http://127.0.0.1:{port}"
    statuses: list[int] = []

    def act() -> None:
        eventually(lambda: accepts(port))
        connection = raw_post(url, form_of(photo))
        eventually(network.started.is_set)
        for _ in range(signals):
            os.kill(os.getpid(), signal.SIGTERM)
            eventually(lambda: service.stopping)
        eventually(lambda: not accepts(port))
        threading.Timer(3, network.release.set).start()  # a step stops at its next layer
        statuses.append(status_of(connection))

    with in_thread(act):
        if signals == 1:
            serve_requests(service, port=port, token=TOKEN, drain=0.5)
        else:
            with pytest.raises(KeyboardInterrupt):
                serve_requests(service, port=port, token=TOKEN, drain=600)
    assert statuses == [503]
    # uvicorn reports an error when its own grace period ends; the second signal skips this period
    assert ("graceful shutdown exceeded" in capsys.readouterr().err) is (signals == 1)
    assert network.colored == 0


def test_a_server_without_requests_stops_without_the_drain_time(tiny: Colorizer) -> None:
    port = free_port()

    def act() -> None:
        eventually(lambda: accepts(port))
        os.kill(os.getpid(), signal.SIGINT)

    with in_thread(act):
        serve_requests(ColorService(colorizer=tiny), port=port, token=TOKEN, drain=600)


def test_the_server_is_ready_after_its_models_are_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    service = ColorService(model="zhang2017_local_small", device="cpu")
    with client_of(service) as client:
        assert error_of(client.get("/ready")) == (503, "busy")
        assert client.get("/health").status_code == 200
        service.load()
        assert client.get("/ready", headers={"Authorization": ""}).json() == {"status": "ready"}


def test_health_fails_if_the_network_thread_exceeds_the_time_limit(
    tiny: Colorizer, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("colorzoo.apps.studio.service._STOP_SECONDS", 1.0)
    network = BlockedNetwork(monkeypatch)
    service = ColorService(colorizer=tiny, limits=ServiceLimits(color_seconds=1))
    with running(service) as url:
        connection = raw_post(url, form_of(photo))
        eventually(network.started.is_set)
        assert get(f"{url}health")[0] == 200  # a busy thread is healthy
        eventually(lambda: get(f"{url}health")[0] == 503)
        assert get(f"{url}health")[1]["error"]["code"] == "stuck"
        assert get(f"{url}ready")[0] == 200
        network.release.set()
        assert status_of(connection) == 503
        eventually(lambda: get(f"{url}health")[0] == 200)


def test_health_fails_if_the_device_of_the_network_fails(
    tiny: Colorizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("CUDA error: device-side assert triggered")

    service = ColorService(colorizer=tiny)
    with client_of(service) as client:
        assert client.get("/health").status_code == 200
        with monkeypatch.context() as patch:
            patch.setattr(torch, "zeros", fail)
            eventually(lambda: client.get("/health").status_code == 503)
            assert error_of(client.get("/health")) == (503, "stuck")
        eventually(lambda: client.get("/health").status_code == 200)


def test_the_log_has_a_line_for_each_request_without_secrets(
    tiny: Colorizer, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "access.log"
    path.write_text("earlier line\n")

    def requests_of(target: str) -> None:
        app = build_service(ColorService(colorizer=tiny), Access("127.0.0.1", TOKEN), log=access_log(target))
        with TestClient(app, base_url="http://127.0.0.1:8000") as client:
            files = {"image": ("private.png", photo.read_bytes())}
            replies = [
                client.post("/colorize", files=files, headers=HEADERS),
                client.get("/models?token=guess"),
                client.get(f"/models?token={TOKEN}"),
                client.get("/any%0Athing"),
                client.get("/", headers={"Cookie": f"a={TOKEN}"}),
            ]
            if target != "-":
                path.rename(tmp_path / "access.log.1")  # as logrotate does
                replies.append(client.get("/health"))
        text = capsys.readouterr().out
        if target != "-":
            text = (tmp_path / "access.log.1").read_text() + path.read_text()
            assert text.startswith("earlier line\n")
            text = text.removeprefix("earlier line\n")
        assert TOKEN not in text
        assert "guess" not in text
        assert "private" not in text
        lines = list(map(json.loads, text.splitlines()))
        paths = ["/colorize", "/models", "/models", "/any\nthing", "/", "/health"][: len(replies)]
        assert [line["path"] for line in lines] == paths
        assert [line["status"] for line in lines] == [200, 403, 200, 404, 200, 200][: len(replies)]
        assert [line["bytes"] for line in lines] == [len(reply.content) for reply in replies]
        assert [line["method"] for line in lines[:2]] == ["POST", "GET"]
        assert all(line["client"] == "testclient" and line["seconds"] >= 0 for line in lines)

    requests_of(str(path))
    requests_of("-")


def test_a_log_that_cannot_be_opened_is_an_error_before_the_model_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("colorzoo.apps.cli.colorize.import_torch", lambda: pytest.fail("torch was imported"))
    assert main(["serve", "--port", "0", "--log", str(tmp_path / "missing" / "log")]) == 2
    assert main(["serve", "--port", "0", "--log", str(tmp_path)]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 2
    assert all("--log" in line for line in errors)


def metrics_of(text: str) -> dict[tuple[str, ...], float]:
    """Return the values by name and labels in the order of their names."""
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_metrics_count_requests_by_route_and_status(tiny: Colorizer, photo: Path) -> None:
    with client_of(ColorService(colorizer=tiny)) as client:
        assert post(client, photo).status_code == post(client, photo).status_code == 200
        post(client, b"nothing")
        client.get("/any"), client.get("/other"), client.get("/health")
        assert error_of(client.get("/metrics", headers={"Authorization": ""})) == (403, "refused")
        reply = client.get("/metrics")
    assert reply.headers["content-type"].startswith("text/plain; version=")
    values = metrics_of(reply.text)
    name = "colorzoo_requests_total"
    assert {key[1:]: value for key, value in values.items() if key[0] == name} == {
        ("/colorize", "200"): 2,
        ("/colorize", "400"): 1,
        ("other", "404"): 2,
        ("/health", "200"): 1,
        ("/metrics", "403"): 1,
    }
    assert values["colorzoo_request_seconds_count", "/colorize"] == 3
    assert values["colorzoo_request_seconds_bucket", "+Inf", "/colorize"] == 3
    assert values["colorzoo_request_seconds_sum", "/colorize"] > 0
    if Path("/proc/self/stat").exists():
        assert values["process_resident_memory_bytes",] > 10_000_000


def test_metrics_show_the_length_of_the_queue(
    tiny: Colorizer, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("colorzoo.apps.studio.service.core_count", lambda: 2)  # three images in memory
    network, service = BlockedNetwork(monkeypatch), ColorService(colorizer=tiny)
    with running(service) as url:
        connections = [raw_post(url, form_of(photo)) for _ in range(5)]
        eventually(lambda: service.waiting == 2)
        with urlopen(f"{url}metrics?token={TOKEN}", timeout=20) as reply:
            values = metrics_of(reply.read().decode())
        assert (values["colorzoo_requests_now",], values["colorzoo_waiting_now",]) == (5, 2)
        connections.pop().close()  # a client that disconnects leaves the queue
        eventually(lambda: service.waiting == 1)
        network.release.set()
        assert [status_of(each) for each in connections] == [200] * 4
    assert service.waiting == service.requests == 0


def test_the_next_server_removes_the_folders_of_killed_servers(
    tiny: Colorizer, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    network = BlockedNetwork(monkeypatch)
    with running(ColorService(colorizer=tiny)) as url:
        connection = raw_post(url, form_of(photo))
        eventually(network.started.is_set)
        (used,) = folder.glob("colorzoo-serve-*")
        # the system releases the lock of a killed process
        stale, linked = folder / "colorzoo-serve-stale", tmp_path / "linked"
        shutil.copytree(used, stale)
        shutil.copytree(used, linked)
        (folder / "colorzoo-serve-link").symlink_to(linked)
        (folder / "colorzoo-serve-new").mkdir()  # of a server that is starting
        shutil.copytree(used, folder / "colorzoo-other")
        with monkeypatch.context() as patch:
            patch.setattr(os, "getuid", lambda: 12345)
            with client_of(ColorService(colorizer=tiny)):
                assert stale.is_dir()  # of another user
        with client_of(ColorService(colorizer=tiny)):
            names = {path.name for path in folder.iterdir()}
        expected = {used.name, "colorzoo-serve-link", "colorzoo-serve-new", "colorzoo-other"}
        assert names == expected
        assert (linked / "locked").is_file()
        network.release.set()
        assert status_of(connection) == 200
    assert not used.exists()
