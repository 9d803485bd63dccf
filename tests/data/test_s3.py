"""Shards on a local S3 server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("litdata")
pytest.importorskip("moto.server")
pytest.importorskip("s3fs")
import boto3
from moto.server import ThreadedMotoServer
from torch.utils.data import DataLoader

from colorzoo.data.shards import ShardReader, read_manifest

BUCKET, ADDRESS = "images", "s3://images/set"
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


@pytest.fixture(scope="module")
def _server() -> Iterator[None]:
    """An S3 server, with its keys and address in the environment."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    values = {
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.get_host_and_port()[1]}",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in values.items():
            patch.setenv(name, value)
        yield
    server.stop()


@pytest.fixture(scope="module")
def bucket(shards: Path, _server: None) -> Any:
    store = boto3.client("s3")
    store.create_bucket(Bucket=BUCKET)
    for path in sorted(shards.rglob("*")):
        if path.is_file():
            store.upload_file(str(path), BUCKET, f"set/{path.relative_to(shards).as_posix()}")
    return store


def test_two_workers_read_the_records_of_a_bucket(shards, bucket, tmp_path):
    assert read_manifest(ADDRESS, str(tmp_path)) == read_manifest(str(shards))
    for split in ("train", "val"):
        here = ShardReader(str(shards), split)
        found = DataLoader(
            ShardReader(ADDRESS, split, cache=str(tmp_path)), None, num_workers=2, collate_fn=tuple
        )
        assert list(found) == [here[index] for index in range(len(here))]
    assert not [path for path in tmp_path.rglob(".*") if path.name.startswith(".chunk")]
