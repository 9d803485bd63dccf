"""Shards on an S3 server of this machine: whole, and over a connection that is cut."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

pytest.importorskip("litdata")
pytest.importorskip("moto.server")
import boto3
from moto.server import ThreadedMotoServer

from colorzoo.data.shards import ShardReader, read_manifest

BUCKET, ADDRESS = "images", "s3://images/set"
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


class Proxy(BaseHTTPRequestHandler):
    """Passes requests on to the S3 server, with faults.

    Attributes:
        server_port: Port of the S3 server.
        cuts: Answers that break off in the middle, by the end of their path.
        asked: Paths of the whole images and lists that were sent.
    """

    server_port = 0
    cuts: dict[str, int]
    asked: list[str]

    def do_GET(self) -> None:
        self._pass_on()

    do_HEAD = do_PUT = do_DELETE = do_GET  # noqa: N815

    def log_message(self, *_: Any) -> None:
        pass

    def _pass_on(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.server_port)
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        connection.request(self.command, self.path, content or None, headers=dict(self.headers))
        answer = connection.getresponse()
        body = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("connection", "server", "date", "transfer-encoding"):
                self.send_header(name, value)
        self.end_headers()
        name = self.path.rpartition("/")[2]
        if self.command == "GET":
            self.asked.append(name)
            if self.cuts.get(name, 0) > 0:
                self.cuts[name] -= 1
                body = body[: len(body) // 2]
                self.close_connection = True
            self.wfile.write(body)
        elif self.command != "HEAD":
            self.wfile.write(body)


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    """Keys and addresses of the server, in this process and for others."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    Proxy.server_port, Proxy.cuts, Proxy.asked = int(port), {}, []
    proxy = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    Thread(target=proxy.serve_forever, daemon=True).start()
    names = {
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in names.items():
            patch.setenv(name, value)
        patch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        yield {**names, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{proxy.server_port}"}
    proxy.shutdown()
    server.stop()


@pytest.fixture(scope="module")
def bucket(shards: Path, environment: dict[str, str]) -> Any:
    store = boto3.client("s3")
    store.create_bucket(Bucket=BUCKET)
    for path in sorted(shards.rglob("*")):
        if path.is_file():
            store.upload_file(str(path), BUCKET, f"set/{path.relative_to(shards).as_posix()}")
    return store


@pytest.fixture(autouse=True)
def _through_the_proxy(bucket: Any, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", environment["AWS_ENDPOINT_URL"])
    Proxy.cuts, Proxy.asked = {}, []


def records(reader: ShardReader) -> list[tuple[bytes, int, str]]:
    return [reader[index] for index in range(len(reader))]


def test_a_bucket_gives_what_its_folder_gives_and_each_chunk_once(shards, tmp_path):
    for split in ("train", "val"):
        found = ShardReader(ADDRESS, split, cache=str(tmp_path))
        assert records(found) == records(ShardReader(str(shards), split))
    chunks = [name for name in Proxy.asked if name.endswith(".bin")]
    assert len(chunks) == sum(1 for _ in shards.rglob("*.bin"))
    assert read_manifest(ADDRESS, str(tmp_path)) == read_manifest(str(shards))
    assert not [path for path in tmp_path.rglob(".*") if path.name.startswith(".chunk")]


def test_a_connection_that_is_cut_is_tried_again(shards, tmp_path):
    Proxy.cuts = {"chunk-0-0.bin": 2}
    found = ShardReader(ADDRESS, "train", cache=str(tmp_path))
    assert records(found) == records(ShardReader(str(shards), "train"))
    assert Proxy.asked.count("chunk-0-0.bin") == 3
