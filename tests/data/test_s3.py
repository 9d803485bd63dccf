"""Shards on a local S3 server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from torch.utils.data import DataLoader

from colorzoo.data.shards import ShardReader, read_manifest

ADDRESS = "s3://bucket/set"


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_shard_reader_reads_s3_records_in_two_workers(shards: Path, bucket: Any, tmp_path: Path) -> None:
    pytest.importorskip("litdata")
    for path in sorted(shards.rglob("*")):
        if path.is_file():
            bucket.upload_file(str(path), f"set/{path.relative_to(shards).as_posix()}")
    assert read_manifest(ADDRESS, str(tmp_path)) == read_manifest(str(shards))
    for split in ("train", "val"):
        here = ShardReader(str(shards), split)
        found = DataLoader(
            ShardReader(ADDRESS, split, cache=str(tmp_path)), None, num_workers=2, collate_fn=tuple
        )
        assert list(found) == [here[index] for index in range(len(here))]
    assert not [path for path in tmp_path.rglob(".*") if path.name.startswith(".chunk")]
