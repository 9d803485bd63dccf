"""Whatever ends a training, the next start goes on and ends with the weights of the uninterrupted one."""

import errno
import os
import resource
import signal
import struct
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from harness import fit, trace
from lightning.pytorch import Callback
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import distributed

from colorzoo.cli.main import main
from colorzoo.errors import ColorzooError, WeightsError
from colorzoo.testing.processes import in_processes
from colorzoo.training import command
from colorzoo.training.arguments import read_arguments
from colorzoo.training.faults import explain_lost_process, translated
from colorzoo.training.resuming import is_intact, newest_intact, resolve_checkpoint

SCRIPT = Path(__file__).with_name("two_ranks.py")


def weights_of(checkpoint: Path) -> dict[str, torch.Tensor]:
    return torch.load(checkpoint, weights_only=True)["state_dict"]


def steps_of(folder: Path) -> list[dict[str, object]]:
    """Return what was traced of each step; one that was not saved was taken twice."""
    return [*{row["step"]: row for row in trace(folder)}.values()]


def torn(path: Path) -> Path:
    """Cut a file in the middle, as a node does that dies while it writes."""
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    return path


def written(folder: Path, *names: str) -> list[Path]:
    """Write checkpoints, each newer than the one before."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for age, name in enumerate(names):
        torch.save({"state_dict": {"weight": torch.full((1000,), 1.5)}}, folder / name)
        os.utime(folder / name, (1000 + age, 1000 + age))
        paths.append(folder / name)
    return paths


def resolved(*words: str) -> list[str]:
    """Return the words of a command with the checkpoint that is resumed."""
    verb, *rest = words
    return [verb, *(each.word for each in resolve_checkpoint(verb, read_arguments(rest)))]


def test_a_folder_stands_for_its_newest_intact_checkpoint(tmp_path, capsys):
    old, new = written(tmp_path / "runs" / "version_0" / "checkpoints", "best-step=9.ckpt", "last.ckpt")
    words = ["fit", "--ckpt_path", str(tmp_path), "--trainer.max_steps=3"]
    assert resolved(*words) == ["fit", f"--ckpt_path={new}", "--trainer.max_steps=3"]
    os.utime(torn(new), (2000, 2000))
    assert resolved(*words)[1] == f"--ckpt_path={old}"
    assert f"{new} is damaged and skipped" in capsys.readouterr().err
    os.utime(torn(old), (1000, 1000))
    with pytest.raises(WeightsError, match="no checkpoint there is intact"):
        resolved(*words)


def test_a_torn_file_gives_way_to_the_newest_intact_one_beside_it(tmp_path, capsys):
    old, new = written(tmp_path, "a.ckpt", "b.ckpt")
    assert resolved("fit", f"--ckpt_path={new}") == ["fit", f"--ckpt_path={new}"]
    assert resolved("test", f"--ckpt_path={torn(new)}") == ["test", f"--ckpt_path={old}"]
    assert f"{new} is damaged; resuming from {old}" in capsys.readouterr().err
    assert resolved("fit", f"--ckpt_path={torn(old)}") == ["fit", f"--ckpt_path={old}"]


def test_a_flipped_bit_is_found(tmp_path):
    (path,) = written(tmp_path, "a.ckpt")
    data = bytearray(path.read_bytes())
    data[data.index(struct.pack("<f", 1.5) * 99)] ^= 1
    path.write_bytes(data)
    assert not is_intact(path)


def test_a_training_that_has_not_begun_begins(tmp_path, capsys):
    for folder in (tmp_path, tmp_path / "not_there_yet"):
        found = resolved("fit", "--seed_everything=1", "--ckpt_path", str(folder))
        assert found == ["fit", "--seed_everything=1"]
    assert "training starts anew" in capsys.readouterr().err
    with pytest.raises(WeightsError, match="a checkpoint is expected: there is none below it"):
        resolved("validate", f"--ckpt_path={tmp_path}")
    for kept in ("--ckpt_path=no.ckpt", "--ckpt_path"):
        assert resolved("fit", kept) == ["fit", kept]


class NoSpaceFrom(Callback):
    """From a step on, files may not grow beyond some bytes, as on a disk that is full."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if trainer.global_step == self.step:
            resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


@pytest.fixture
def limits():
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_while_saving_leaves_the_last_checkpoint_whole(pictures, tmp_path, limits):
    whole = fit(pictures, tmp_path / "whole").lightning_module.state_dict()
    folder = tmp_path / "full"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with pytest.raises(OSError, match=r"too large|No space"):
        fit(pictures, folder, more=[NoSpaceFrom(4)])
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    found, cut = newest_intact(folder)
    assert (found, cut) == (folder / "last.ckpt", [])
    resumed = fit(pictures, folder, resume=str(found))
    assert steps_of(folder) == trace(tmp_path / "whole")
    torch.testing.assert_close(resumed.lightning_module.state_dict(), whole, rtol=0, atol=0)


def two_ranks(root: Path, folder: Path, how: str = "", ranks: str = "") -> int:
    """Run both processes until they end."""
    words = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    more = [str(SCRIPT), str(root), str(folder), how, ranks]
    return subprocess.run(
        [sys.executable, *words, *more], timeout=400, env=os.environ | {"OMP_NUM_THREADS": "1"}, check=False
    ).returncode


@pytest.fixture(scope="module")
def undisturbed(pictures, tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    assert two_ranks(pictures, folder) == 0
    return folder


@pytest.mark.nightly
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("how", "ranks"), [("SIGKILL", "1"), ("SIGKILL", "0"), ("SIGTERM", "01"), ("SIGUSR1", "1")]
)
def test_two_processes_go_on_after_a_fault(how, ranks, pictures, tmp_path, undisturbed, monkeypatch):
    if how == "SIGUSR1":  # as srun's tasks get it, here one of them alone
        monkeypatch.setenv("SLURM_NTASKS", "2")
        monkeypatch.setenv("SLURM_JOB_NAME", "colorzoo")
    two_ranks(pictures, tmp_path, how, ranks)
    assert len(trace(tmp_path / "0")) < len(trace(undisturbed / "0"))
    assert two_ranks(pictures, tmp_path) == 0
    for rank in "01":
        expected, found = trace(undisturbed / rank), trace(tmp_path / rank)
        assert [row["step"] for row in expected] == list(range(1, len(expected) + 1))
        last = {row["step"]: row for row in found}  # a step that was not saved was taken twice, alike
        assert [last[row["step"]] for row in expected] == expected
    ends = [weights_of(folder / "0" / "last.ckpt") for folder in (undisturbed, tmp_path)]
    torch.testing.assert_close(*ends, rtol=0, atol=0)


def wait_for_a_dead_process(told: Path) -> None:
    """Meet as one of two processes; the second is killed, and the first writes what it makes of that."""
    distributed.init_process_group("gloo")
    distributed.barrier()
    if distributed.get_rank() == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    try:
        distributed.all_reduce(torch.zeros(1))
    except RuntimeError as error:
        told.write_text(str(explain_lost_process(error)))


def test_a_process_that_waits_for_a_killed_one_says_so_in_a_line(tmp_path, monkeypatch, capsys):
    told = tmp_path / "told"
    assert in_processes(wait_for_a_dead_process, told, processes=2) == [0, -signal.SIGKILL]
    assert "another process of this run has ended (Connection " in told.read_text()

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("[pair.cc:561] Connection closed by peer [10.0.0.1]:34714. This is typically")

    monkeypatch.setattr(command, "ZooCLI", fail)
    assert main(["fit"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "has ended (Connection closed by peer [10.0.0.1]:34714)" in line


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


KEPT = "; complete checkpoints stay: mend this, then resume with --ckpt_path."
UNFIT = (
    "the checkpoint does not fit the model of the configuration ({}); "
    "use the configuration it was trained with (config.yaml in its run's folder)."
)
NO_GPU = (
    "trainer: this machine has no GPU that torch can use (see `colorzoo doctor`); use one that has, or "
    "--trainer.accelerator auto."
)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError(errno.ENOSPC, "No space left", "a.ckpt"), f"a.ckpt: No space left{KEPT}"),
        (OSError(errno.EXDEV, "Invalid", "a.tmp", None, "a.ckpt"), f"a.ckpt: Invalid{KEPT}"),  # a rename
        (OSError(errno.EIO, "Input/output error"), f"Input/output error{KEPT}"),
        (OSError("Caught OSError in a worker\n  File\nOSError: too many\n"), f"OSError: too many{KEPT}"),
        (OSError(), f"OSError{KEPT}"),
        (MisconfigurationException("No `train`\n  given"), "trainer: No `train` given"),
        (MisconfigurationException("No supported gpu backend found!"), NO_GPU),
        (MisconfigurationException("you asked for [0], your machine only has: []"), NO_GPU),
        (ModuleNotFoundError("No\n x."), "No x; install it, or change the setting that needs it."),
        (caused(ValueError("outer"), caused(KeyError(), ColorzooError("ours"))), "ours"),
        (
            RuntimeError("loading state_dict\n\n\tmissing a\n\tsize b\n\tsize c\n"),
            UNFIT.format("missing a size b"),
        ),
        (RuntimeError("loading state_dict\n" + 300 * "a"), UNFIT.format(240 * "a")),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), None),
        (ValueError("of another library"), None),
    ],
)
def test_an_error_of_a_library_becomes_one_line(error, line):
    found = translated(error)
    assert (found and str(found)) == line
