"""Faults during training: resumed runs equal uninterrupted runs, and errors are one line."""

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from harness import BATCH, fit, trace
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import distributed

from colorzoo.apps.cli.main import main
from colorzoo.errors import ColorzooError
from colorzoo.testing.processes import in_processes
from colorzoo.training import command
from colorzoo.training.callbacks.guards import NonFiniteGuard
from colorzoo.training.messages import translated
from colorzoo.zoo.zhang2017.task import Zhang2017Local

SCRIPT = Path(__file__).with_name("two_ranks.py")


def weights_of(checkpoint: Path) -> dict[str, torch.Tensor]:
    return torch.load(checkpoint, weights_only=True)["state_dict"]


def two_ranks(root: Path, folder: Path, how: str = "", ranks: str = "") -> int:
    """Run both processes until they end."""
    words = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    more = [str(SCRIPT), str(root), str(folder), how, ranks]
    return subprocess.run(
        [sys.executable, *words, *more], timeout=400, env=os.environ | {"OMP_NUM_THREADS": "1"}, check=False
    ).returncode


@pytest.fixture(scope="module")
def undisturbed(images, tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    assert two_ranks(images, folder) == 0
    return folder


@pytest.mark.nightly
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("how", "ranks"), [("SIGKILL", "1"), ("SIGKILL", "0"), ("SIGTERM", "01"), ("SIGUSR1", "1")]
)
def test_two_processes_resume_after_a_fault(how, ranks, images, tmp_path, undisturbed, monkeypatch):
    if how == "SIGUSR1":  # as sent by srun, but to one task only
        monkeypatch.setenv("SLURM_NTASKS", "2")
        monkeypatch.setenv("SLURM_JOB_NAME", "colorzoo")
    two_ranks(images, tmp_path, how, ranks)
    assert len(trace(tmp_path / "0")) < len(trace(undisturbed / "0"))
    assert two_ranks(images, tmp_path) == 0
    for rank in "01":
        expected, found = trace(undisturbed / rank), trace(tmp_path / rank)
        assert [row["step"] for row in expected] == list(range(1, len(expected) + 1))
        last = {row["step"]: row for row in found}  # an unsaved step is repeated with equal results
        assert [last[row["step"]] for row in expected] == expected
    ends = [weights_of(folder / "0" / "last.ckpt") for folder in (undisturbed, tmp_path)]
    torch.testing.assert_close(*ends, rtol=0, atol=0)


def wait_for_a_killed_process(report: Path) -> None:
    """Synchronize two processes; the second kills itself, and the first writes the translated error."""
    distributed.init_process_group("gloo")
    distributed.barrier()
    if distributed.get_rank() == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    try:
        distributed.all_reduce(torch.zeros(1))
    except RuntimeError as error:
        report.write_text(str(translated(error)))


def test_error_of_a_killed_process_is_one_line(tmp_path, monkeypatch, capsys):
    report = tmp_path / "report"
    assert in_processes(wait_for_a_killed_process, report, processes=2) == [0, -signal.SIGKILL]
    assert "Another process of this run has ended" in report.read_text()

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("[pair.cc:561] Connection closed by peer [10.0.0.1]:34714. This is typically")

    monkeypatch.setattr(command, "ZooCLI", fail)
    assert main(["fit"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "Another process of this run has ended" in line


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


def test_translated_library_errors_are_one_line():
    for error, line in (
        (OSError(errno.EXDEV, "Invalid", "a.tmp", None, "a.ckpt"), "a.ckpt: Invalid"),  # a rename
        (OSError("Caught OSError in a worker\n  File\nOSError: too many\n"), "OSError: too many"),
        (MisconfigurationException("No `train`\n  given"), "No `train` given"),
        (MisconfigurationException("you asked for [0], your machine only has: []"), "--trainer.accelerator"),
        (ModuleNotFoundError("No\n x."), "No x"),
        (caused(ValueError("outer"), caused(KeyError(), ColorzooError("ours"))), "ours"),
    ):
        found = str(translated(error))
        assert line in found
        assert "\n" not in found
    for unexpected in (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), ValueError("other")):
        assert translated(unexpected) is None


def test_non_finite_guard_ends_the_run_and_reports_image_names(images, tmp_path, monkeypatch):
    step = Zhang2017Local.training_step
    monkeypatch.setattr(
        Zhang2017Local, "training_step", lambda *a: step(*a) * (float("nan") if a[2] == 1 else 1)
    )
    with pytest.raises(ColorzooError, match="the loss is nan at step 1"):
        fit(images, tmp_path, more=[NonFiniteGuard()])
    report = json.loads((tmp_path / "nonfinite_rank0.json").read_text())
    assert len(report["names"]) == BATCH
    assert torch.load(tmp_path / "last.ckpt", weights_only=True)["global_step"] == 1
