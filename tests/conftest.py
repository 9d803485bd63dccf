"""What holds for all tests. Only what runs them imports torch, not what divides them among processes."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

import pytest

if TYPE_CHECKING:
    import torch

    from tiny_model import Refused, Run

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # in the background of a script; programs inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)
os.environ.setdefault(
    "SOURCE_DATE_EPOCH", "1767225600"
)  # results record their date; here it is always the same


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--draw", nargs=2, metavar=("SEED", "SHARE"), help="Run only a share of the tests.")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the tests whose hash with the seed is below the share, so that equal seeds draw equal tests."""
    draw = config.getoption("--draw")
    if draw:
        limit = float(draw[1]) * 2**32
        left_out = [item for item in items if crc32(f"{draw[0]} {item.nodeid}".encode()) >= limit]
        items[:] = [item for item in items if item not in set(left_out)]
        config.hook.pytest_deselected(items=left_out)


def pytest_collection_finish() -> None:
    """Exclude imported packages from garbage collection, because scanning them takes a tenth of the time."""
    gc.freeze()
    gc.set_threshold(20_000)


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Take one thread for all tests: the machine is shared, and sums in another order round differently."""
    import torch

    torch.set_num_threads(1)


class Listing(ExitStack):
    """The entries of a folder, in an order in which file systems rarely list them."""

    def __init__(self, found: Iterator[os.DirEntry[str]]) -> None:
        super().__init__()
        self._entries = iter(sorted(found, key=lambda entry: entry.name, reverse=True))

    def __iter__(self) -> Iterator[os.DirEntry[str]]:
        return self._entries

    def __next__(self) -> os.DirEntry[str]:
        return next(self._entries)


@pytest.fixture(scope="session", autouse=True)
def listed_backwards() -> Iterator[None]:
    """List folders from Z to A: what depends on an order must sort."""
    listed, scanned = os.listdir, os.scandir

    def scan(*folder: object) -> Listing:
        with scanned(*folder) as found:
            return Listing(found)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "listdir", lambda *folder: sorted(listed(*folder), reverse=True))
        patch.setattr(os, "scandir", scan)
        yield


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """Keep files of the tests out of the user's cache."""
    os.environ.setdefault("COLORZOO_HOME", str(tmp_path_factory.mktemp("home")))


@pytest.fixture(autouse=True)
def own_rendezvous():
    """Forget the port where processes of a test met.

    Lightning leaves it in the environment. A store of torch that listens there in this process would be
    used by the processes of the next test, with the addresses of those before.
    """
    yield
    for name in ("MASTER_ADDR", "MASTER_PORT"):
        os.environ.pop(name, None)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a weight file of the tiny model."""
    from tiny_model import write_tiny_weights

    return write_tiny_weights(tmp_path_factory.mktemp("weights") / "tiny.safetensors")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], weights: Path) -> Run:
    """Return ``colorzoo colorize`` in this process, by the tiny model: exit code, stdout and stderr."""
    from colorzoo.cli.main import main

    def call(*words: str | Path) -> tuple[int, str, str]:
        given = [str(word) for word in words]
        own = [] if "--weights" in given else ["--weights", str(weights)]
        code = main(["colorize", "--device", "cpu", *given, *own])
        return code, *capsys.readouterr()

    return call


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Refused:
    """Return a function that runs ``colorzoo``, which must end in one line of error, and returns the line."""
    from colorzoo.cli.main import main

    def call(*words: str | Path) -> str:
        capsys.readouterr()
        code = main([*map(str, words)])
        out, err = capsys.readouterr()
        assert (code, out, err.count("\n")) == (2, "", 1), err
        assert err.startswith("colorzoo: error: ")
        return err.rstrip("\n")

    return call


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty folder that is the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def _any_algorithm() -> Iterator[None]:
    """Allow operations without a deterministic form, such as max_unpool2d."""
    import torch

    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(False)
    yield
    torch.use_deterministic_algorithms(before)


@pytest.fixture
def shallow_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let colorzoo2026 have one block of each stage of its frozen encoder, as the others only repeat it."""
    from colorzoo.weights.encoder import EncoderWeights, frozen_imagenet_encoder
    from colorzoo.zoo.colorzoo2026 import network

    def shallow(weights: EncoderWeights) -> torch.nn.Module:
        encoder = frozen_imagenet_encoder(weights)
        for stage in encoder.stages:
            del stage[1:]
        return encoder

    monkeypatch.setattr(network, "frozen_imagenet_encoder", shallow)


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The empty bucket ``s3://bucket`` of a local S3 server."""
    s3fs = pytest.importorskip("s3fs")
    boto3, moto = pytest.importorskip("boto3"), pytest.importorskip("moto.server")
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    names = {"ACCESS_KEY_ID": "key", "SECRET_ACCESS_KEY": "secret", "DEFAULT_REGION": "us-east-1"}
    for name, value in names.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://{}:{}".format(*server.get_host_and_port()))
    store = boto3.resource("s3").Bucket("bucket")
    store.create()
    s3fs.S3FileSystem.clear_instance_cache()
    yield store
    store.objects.delete()
    store.delete()  # the buckets of moto outlive a server
    s3fs.S3FileSystem.clear_instance_cache()  # cached instances use the address of the stopped server
    server.stop()
