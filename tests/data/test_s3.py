"""Shards and results on an S3 server of this machine: whole, cut, missing, forbidden, killed."""

from __future__ import annotations

import http.client
import io
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from PIL import Image

pytest.importorskip("litdata")
pytest.importorskip("moto.server")
import boto3
from moto.server import ThreadedMotoServer

from colorzoo.cli.main import main
from colorzoo.data.shards import ShardReader, read_manifest
from tiny_model import gray_picture

BUCKET, ADDRESS = "pictures", "s3://pictures/set"
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


class Proxy(BaseHTTPRequestHandler):
    """Passes requests on to the S3 server, with faults.

    Attributes:
        server_port: Port of the S3 server.
        cuts: Answers that break off in the middle, by the end of their path.
        asked: Paths of the whole pictures and lists that were sent.
        stored: Keys that were written.
    """

    server_port = 0
    cuts: dict[str, int]
    asked: list[str]
    stored: list[str]

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
        if self.command == "PUT":
            self.stored.append(self.path.partition("?")[0])
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
    Proxy.server_port, Proxy.cuts, Proxy.asked, Proxy.stored = int(port), {}, [], []
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
    Proxy.cuts, Proxy.asked, Proxy.stored = {}, [], []


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


def words(root: Path) -> list[str]:
    """Return a command line of ``predict`` by a tiny model with random weights."""
    model = {"stem": [4, 8], "widths": [16, 32, 32], "blocks": [1, 1, 1], "decoder": 16, "vector": 16}
    return [
        *("predict", "--model=Colorzoo2026Task", f"--model.architecture={model}", "--data=FolderDataModule"),
        *(
            f"--data.root={root}",
            "--data.num_workers=0",
            "--trainer.accelerator=cpu",
            "--trainer.logger=false",
        ),
        *("--allow_untrained=true", "--seed_everything=0"),
    ]


def album(folder: Path) -> Path:
    (folder / "sub").mkdir(parents=True)
    for number, name in enumerate(["a.png", "sub/b.jpg", "sub/c.bmp"]):
        Image.fromarray(gray_picture(30 + number, 40)).save(folder / name)
    return folder


def test_results_go_to_a_bucket_and_are_recognized_there(bucket, tmp_path, capsys):
    pytest.importorskip("s3fs")
    root = album(tmp_path / "album")
    (root / "sub" / "bad.png").write_bytes(b"no picture")
    run = [*words(root), "--output=s3://pictures/out/mine"]
    assert main(run) == 1
    assert (
        "3 colored, 0 done before, 1 failed; results are in s3://pictures/out/mine" in capsys.readouterr().err
    )
    found = {name: content(bucket, name) for name in keys(bucket, "out/mine/")}
    wanted = {"a.png", "sub/b.jpg", "sub/c.bmp", "sub/c.bmp.xmp", "failed.txt"}
    assert set(found) == {f"out/mine/{name}" for name in wanted}
    assert b"bad.png" in found["out/mine/failed.txt"]
    (root / "sub" / "bad.png").unlink()
    Image.fromarray(gray_picture(50, 40)).save(root / "a.png")
    Proxy.stored = []
    assert main(run) == 0
    assert "1 colored, 2 done before, 0 failed" in capsys.readouterr().err
    assert [name for name in Proxy.stored if "probe" not in name] == ["/pictures/out/mine/a.png"]
    assert "out/mine/failed.txt" not in keys(bucket, "out/mine/")
    assert main([*words(root), f"--output={tmp_path / 'near'}"]) == 0
    for name in ("a.png", "sub/b.jpg", "sub/c.bmp"):
        far = Image.open(io.BytesIO(content(bucket, f"out/mine/{name}")))
        with Image.open(tmp_path / "near" / name) as near:
            assert far.tobytes() == near.tobytes()


def keys(store: Any, prefix: str) -> set[str]:
    found = store.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
    return {item["Key"] for item in found}


def content(store: Any, key: str) -> bytes:
    data: bytes = store.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    return data
