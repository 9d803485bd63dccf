"""Options and fixtures of all tests. Only functions import torch, so pytest-xdist starts without it."""

from __future__ import annotations

import gc
import os
import random
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from changed import changed_files, choose

if TYPE_CHECKING:
    import torch

    from tiny_model import Refused, Run

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # background jobs of scripts ignore SIGINT
    signal.signal(signal.SIGINT, signal.default_int_handler)
os.environ.setdefault("SOURCE_DATE_EPOCH", "1767225600")  # a constant date in results


def pytest_addoption(parser: pytest.Parser) -> None:
    text = "Run N tests, first those that concern the files changed since COMMIT (may be empty)."
    parser.addoption("--changed", nargs=2, metavar=("COMMIT", "N"), help=text)


EXPORTS = (
    "tests/engines/",
    "tests/test_contract.py::test_contract_export",
    "tests/test_graphs.py::test_exported",
)


@pytest.hookimpl(trylast=True)  # after `-m` and `-k`
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip exports with an early torch, and keep the tests that `changed.choose` selects."""
    if tuple(map(int, version("torch").split(".")[:2])) < (2, 14):  # see docs/install.md
        for item in items:
            if item.nodeid.startswith(EXPORTS):
                item.add_marker(pytest.mark.skip(reason="graph export requires torch 2.14"))
    if config.getoption("--changed"):
        commit, count = config.getoption("--changed")
        files = changed_files(commit) if commit else []
        chosen = choose([item.nodeid for item in items], files, int(count))
        config.hook.pytest_deselected(items=[item for item in items if item.nodeid not in chosen])
        items[:] = [item for item in items if item.nodeid in chosen]


def pytest_collection_finish() -> None:
    """Exclude imported packages from garbage collection, because scanning them takes a tenth of the time."""
    gc.freeze()
    gc.set_threshold(20_000)


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Use one thread, because the machine is shared and the order of sums changes rounding."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def same_random_numbers() -> None:
    """Seed the global generators, so that a test that passes does not fail in another run."""
    import torch

    random.seed(0)
    torch.manual_seed(0)


class Listing(ExitStack):
    """Entries of a folder from Z to A, an order that file systems rarely return."""

    def __init__(self, found: Iterator[os.DirEntry[str]]) -> None:
        super().__init__()
        self._entries = iter(sorted(found, key=lambda entry: entry.name, reverse=True))

    def __iter__(self) -> Iterator[os.DirEntry[str]]:
        return self._entries

    def __next__(self) -> os.DirEntry[str]:
        return next(self._entries)


@pytest.fixture(scope="session", autouse=True)
def listed_backwards() -> Iterator[None]:
    """List folders from Z to A, so that tests detect code that depends on the order."""
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
    """Remove the rendezvous address of distributed tests from the environment.

    Lightning does not remove it. Processes of the next test would use the torch store that still listens
    there, with the addresses of earlier processes.
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
    """Return a function that runs ``colorzoo colorize`` and returns exit code, stdout and stderr."""
    from colorzoo.apps.cli.main import main

    def call(*words: str | Path) -> tuple[int, str, str]:
        given = [str(word) for word in words]
        own = [] if "--weights" in given else ["--weights", str(weights)]
        code = main(["colorize", "--device", "cpu", *given, *own])
        return code, *capsys.readouterr()

    return call


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Refused:
    """Return a function that runs ``colorzoo``, asserts a one-line error, and returns the line."""
    from colorzoo.apps.cli.main import main

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
    """Return an empty folder and make it the working directory."""
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
    """Reduce each stage of colorzoo2026's frozen encoder to one block, because further blocks repeat it."""
    from colorzoo.weights.catalog import load_imagenet_encoder
    from colorzoo.zoo.colorzoo2026 import model

    def shallow(file: str) -> torch.nn.Module:
        encoder = load_imagenet_encoder(file)
        for stage in encoder.stages:
            del stage[1:]
        return encoder

    monkeypatch.setattr(model, "load_imagenet_encoder", shallow)


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Return a function that mounts a disk in memory with options such as ``size=8k`` and returns its folder.

    If a disk is already mounted, the function changes its options.
    """
    folder = tmp_path / "disk"

    def mount_disk(options: str) -> Path:
        folder.mkdir(exist_ok=True)
        words = ["-o", f"remount,{options}"] if folder.is_mount() else ["-t", "tmpfs", "-o", options, "tmpfs"]
        try:
            subprocess.run(["mount", *words, str(folder)], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"mount is not permitted: {error}")
        return folder

    yield mount_disk
    if folder.is_mount():
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return the empty bucket ``s3://bucket`` of a local S3 server."""
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
    store.delete()  # moto keeps buckets after its server stops
    s3fs.S3FileSystem.clear_instance_cache()  # cached instances use the address of the stopped server
    server.stop()
