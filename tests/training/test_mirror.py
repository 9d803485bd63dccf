"""A run whose folder is in a bucket of an S3 server of this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("moto.server")
import boto3
from harness import trace
from moto.server import ThreadedMotoServer
from test_coming_back import KILL, train, words_of

from colorzoo.cli.main import run_lightning as run
from colorzoo.errors import ColorzooError, WeightsError
from colorzoo.training.mirror import Mirror, fetch, local_folder

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")
ADDRESS = "s3://runs/album"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    started = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    started.start()
    _, port = started.get_host_and_port()
    yield f"http://127.0.0.1:{port}"
    started.stop()


@pytest.fixture
def bucket(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """An empty bucket, and a cache of its own."""
    names = {"ACCESS_KEY_ID": "key", "SECRET_ACCESS_KEY": "secret", "DEFAULT_REGION": "us-east-1"}
    for name, value in names.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", server)
    monkeypatch.setenv("COLORZOO_HOME", str(tmp_path / "here"))
    store = boto3.resource("s3").Bucket("runs")
    store.create()
    yield store
    store.objects.delete()
    store.delete()


def keys(bucket: Any) -> set[str]:
    return {each.key.removeprefix("album/") for each in bucket.objects.all()}


def test_a_killed_run_goes_on_from_the_bucket_on_another_machine_to_the_bit(
    pictures, bucket, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    own = ["--data.global_batch=4", "--trainer.max_steps=4", "--trainer.logger=true"]

    def words(place: str, folder: str, stop: int = 0) -> list[str]:
        given = words_of(pictures, tmp_path / folder, *own, stop=stop)
        return [*given, f"--trainer.default_root_dir={place}", f"--ckpt_path={place}"]

    (tmp_path / "here").mkdir()
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
    assert train(words(str(tmp_path / "whole"), "whole")) == [0]
    assert train(words(ADDRESS, "killed", stop=2)) == [-KILL]
    checkpoints = "runs/version_0/checkpoints"
    assert f"{checkpoints}/last.ckpt" in keys(bucket)
    monkeypatch.setenv("COLORZOO_HOME", str(tmp_path / "elsewhere"))
    assert train(words(ADDRESS, "killed")) == [0]
    assert trace(tmp_path / "killed") == trace(tmp_path / "whole")
    assert not (tmp_path / "s3:").exists()
    bucket.download_file(f"album/{checkpoints}/last.ckpt", str(tmp_path / "last.ckpt"))
    found, expected = (
        torch.load(path, weights_only=True)["state_dict"]
        for path in (tmp_path / "last.ckpt", tmp_path / "whole" / checkpoints / "last.ckpt")
    )
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    assert len([key for key in keys(bucket) if "/best-" in key]) == 1
    assert {f"runs/version_0/{name}" for name in ("config.yaml", "run.json", "metrics.csv")} <= keys(bucket)


def test_the_copy_follows_what_is_written_replaced_and_removed(bucket, tmp_path, monkeypatch):
    mirror = Mirror(ADDRESS)
    folder = mirror.folder
    for name in ("a.ckpt", "b.ckpt", "run.json", "run.lock", ".part"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    mirror.send()
    assert keys(bucket) == {"a.ckpt", "b.ckpt", "run.json"}
    (folder / "a.ckpt").unlink()
    (folder / "run.json").write_text("RUN.JSON")  # as long, in the same second
    (folder / "b.ckpt").write_text("longer than before")
    mirror.send()
    assert keys(bucket) == {"b.ckpt", "run.json"}
    assert bucket.Object("album/run.json").get()["Body"].read() == b"RUN.JSON"
    (folder / "unsent.ckpt").write_text("of a process that was killed before it was sent")
    (folder / "b.ckpt").write_text("likewise")
    assert fetch(ADDRESS) == folder
    assert not (folder / "unsent.ckpt").exists()
    assert (folder / "b.ckpt").read_text() == "longer than before"
    monkeypatch.setenv("COLORZOO_HOME", str(tmp_path / "elsewhere"))
    assert fetch(f"{ADDRESS}/b.ckpt").read_text() == "longer than before"


def test_a_store_that_is_down_is_one_line_and_ends_no_training(bucket, monkeypatch, capfd):
    mirror = Mirror(ADDRESS)
    mirror.folder.mkdir(parents=True)
    (mirror.folder / "last.ckpt").write_text("x")
    monkeypatch.setattr(mirror, "send", lambda: bucket.meta.client.head_bucket(Bucket="nowhere"))
    assert not mirror.try_to_send()
    assert capfd.readouterr().err.count("\n") == 1
    with pytest.raises(WeightsError, match="cannot read 's3://nowhere/x'"):
        fetch("s3://nowhere/x")


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("--trainer.default_root_dir=gs://bucket/run", "use a local folder, or s3://BUCKET/FOLDER"),
        ("--trainer.callbacks.dirpath=s3://bucket/run", "give --trainer.default_root_dir s3://"),
    ],
)
def test_other_places_are_refused_in_one_line(word, message, pictures, tmp_path):
    with pytest.raises(ColorzooError, match=message) as error:
        run([*words_of(pictures, tmp_path)[:-2], "--trainer.callbacks+=ModelCheckpoint", word])
    assert "\n" not in str(error.value)


def test_folders_below_an_address_are_below_its_folder(bucket):
    assert local_folder(f"{ADDRESS}/runs/version_0/") == local_folder(ADDRESS) / "runs" / "version_0"
