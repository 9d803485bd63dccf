"""Runs that are interrupted by a signal and resumed are bit-identical to uninterrupted runs."""

import os
import signal
from contextlib import suppress
from multiprocessing import active_children
from pathlib import Path

import pytest
import torch
from harness import BATCH, fit, trace
from lightning.pytorch import Callback
from lightning.pytorch.strategies import DDPStrategy

from colorzoo.testing.processes import in_processes
from colorzoo.training.callbacks.guards import FinalValidation


@pytest.fixture
def tmp_path(other_disk):
    """The run folder, outside the file system of temporary files, as on most clusters."""
    return other_disk


SLURM = {"NTASKS": "1", "JOB_ID": "4711", "JOB_NAME": "x", "PROCID": "0", "LOCALID": "0", "NODEID": "0"}
INT, TERM, USR1 = signal.SIGINT, signal.SIGTERM, signal.SIGUSR1


class SignalIn(Callback):
    """Sends a signal to its own process in the middle of the step of a batch, counted from 0."""

    def __init__(self, batch: int, number: int, hook: str = "on_before_backward") -> None:
        self.batch, self.number = batch, number
        setattr(self, hook, self._send)

    def _send(self, trainer, *_):
        if trainer.fit_loop.epoch_loop.total_batch_idx == self.batch and self.number:
            os.kill(os.getpid(), self.number)
            self.number = 0


def ended_state(checkpoint: Path) -> dict:
    """Return a checkpoint without paths, and without counts of which Lightning uses only the differences."""
    content = torch.load(checkpoint, weights_only=True)
    content.pop("callbacks")
    loops = content["loops"]["fit_loop"]
    loops["epoch_progress"] = loops["epoch_progress"]["current"]["processed"]
    loops["epoch_loop.val_loop.batch_progress"].pop("total")
    return content


def differences(found, expected, name: str = ""):
    """Yield the names of the values in which two nested states differ."""
    if isinstance(expected, dict) and found.keys() == expected.keys():
        for key in expected:
            yield from differences(found[key], expected[key], f"{name}.{key}")
    elif isinstance(expected, list | tuple) and len(found) == len(expected):
        for index, pair in enumerate(zip(found, expected, strict=True)):
            yield from differences(*pair, f"{name}.{index}")
    elif not (torch.equal(found, expected) if isinstance(expected, torch.Tensor) else found == expected):
        yield f"{name}: {found} instead of {expected}"


def validations(folder: Path) -> list[str]:
    return (folder / "validations.jsonl").read_text().splitlines()


def interrupted(images, folder, code, *callbacks, **options) -> Path:
    """Train until a signal ends the run with an exit code, and return the checkpoint."""
    with pytest.raises(SystemExit) as ended:
        fit(images, folder, more=list(callbacks), **options)
    assert ended.value.code == code
    return folder / "interrupted.ckpt"


def compare(images, tmp_path, checkpoint, whole, **options) -> None:
    """Resume the run and compare its steps, validations and last checkpoint with the whole run."""
    fit(images, tmp_path, resume=str(checkpoint), **options)
    steps = trace(tmp_path)
    if "accumulate_grad_batches" in options:  # batches since the last optimizer step run again
        steps = [each for index, each in enumerate(steps) if each not in steps[:index]]
    assert steps == trace(whole)
    assert validations(tmp_path) == validations(whole)
    expected, found = ended_state(whole / "last.ckpt"), ended_state(tmp_path / "last.ckpt")
    assert list(differences(found, expected)) == []
    assert not checkpoint.exists() or checkpoint.name == "last.ckpt"


BY_STEPS = {"max_steps": 9, "max_epochs": -1}
WAYS = {  # length, validation and accumulation
    "epochs": {},
    "validation within the epoch": {"val_check_interval": 2},
    "validation by steps": {"val_check_interval": 2, "check_val_every_n_epoch": None, **BY_STEPS},
    "accumulation": {"accumulate_grad_batches": 2, "batch": 2, "max_epochs": 2},
}  # fmt: skip


@pytest.fixture(scope="module")
def whole(images, tmp_path_factory):
    """Function that returns the folder of an uninterrupted run by its key in `WAYS`."""
    folders = {}

    def run(way: str) -> Path:
        if way not in folders:
            folders[way] = tmp_path_factory.mktemp("whole")
            fit(images, folders[way], **WAYS[way])
        return folders[way]

    return run


CASES = [("epochs", 1), ("accumulation", 2), ("validation within the epoch", 4)]
LATER = [("epochs", 2), ("epochs", 3), ("accumulation", 1), ("accumulation", 3)]
LATER += [("validation within the epoch", 2), ("validation by steps", 2), ("validation by steps", 3)]
CASES += [pytest.param(*each, marks=pytest.mark.nightly) for each in LATER]
HOOKS = ["on_train_batch_start", "on_validation_batch_end", "on_before_optimizer_step"]


@pytest.mark.parametrize(("way", "batch"), CASES)
def test_run_interrupted_in_any_batch_equals_the_uninterrupted_run(batch, way, images, tmp_path, whole):
    number, code = [(INT, 130), (TERM, 143)][batch % 2]
    saved = interrupted(images, tmp_path, code, SignalIn(batch, number), **WAYS[way])
    compare(images, tmp_path, saved, whole(way), **WAYS[way])


VALIDATED = [("epochs", 2), ("validation within the epoch", 1), ("validation by steps", 3)]
VALIDATED += [("accumulation", 4)]


@pytest.mark.parametrize("hook", ["on_before_backward", "on_validation_batch_end"])
@pytest.mark.parametrize(("way", "batch"), VALIDATED)
def test_signal_saves_without_waiting_for_the_validation(way, batch, hook, images, tmp_path, whole):
    signaled, later, batches = SignalIn(batch, TERM, hook), Callback(), []
    later.on_validation_batch_end = lambda *_: batches.append(signaled.number)
    saved = interrupted(images, tmp_path, 143, signaled, later, **WAYS[way])
    assert batches.count(0) == (hook == "on_validation_batch_end")  # the batch of the signal only
    compare(images, tmp_path, saved, whole(way), **WAYS[way])


@pytest.mark.parametrize("hook", ["on_before_backward", "on_validation_batch_end"])
@pytest.mark.parametrize(("way", "batch"), [({}, 8), ({**WAYS["validation by steps"], "max_steps": 6}, 5)])
def test_signal_in_the_last_validation_does_not_skip_it(way, batch, hook, images, tmp_path):
    fit(images, tmp_path / "whole", **way)
    fit(images, tmp_path / "run", more=[SignalIn(batch, TERM, hook)], **way)  # no later step is interrupted
    assert trace(tmp_path / "run") == trace(tmp_path / "whole")
    assert validations(tmp_path / "run") == validations(tmp_path / "whole")
    assert not (tmp_path / "run" / "interrupted.ckpt").exists()


def test_run_interrupted_in_two_validations_of_an_epoch_validates_each_step_once(images, tmp_path, whole):
    way = {"val_check_interval": 1, "max_epochs": 2}
    fit(images, tmp_path / "whole", **way)
    folder = tmp_path / "run"
    saved = None
    for batch in (0, 1, 4):
        signaled = SignalIn(batch, TERM, "on_validation_batch_end")
        saved = str(interrupted(images, folder, 143, signaled, resume=saved, **way))
    compare(images, folder, Path(saved), tmp_path / "whole", **way)


@pytest.mark.nightly
@pytest.mark.parametrize("hook", HOOKS)
def test_signal_in_any_hook_ends_the_run_after_the_step(hook, images, tmp_path, whole):
    saved = interrupted(images, tmp_path, 143, SignalIn(2, TERM, hook))
    compare(images, tmp_path, saved, whole("epochs"))


def test_preempted_slurm_job_is_requeued_and_resumable(images, tmp_path, whole, monkeypatch, capfd):
    stub = tmp_path / "scontrol"
    stub.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n')
    stub.chmod(0o755)
    before = signal.getsignal(USR1)
    with monkeypatch.context() as slurm:
        for name, value in SLURM.items():
            slurm.setenv(f"SLURM_{name}", value)
        slurm.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        saved = interrupted(images, tmp_path, 143, SignalIn(4, USR1))
    assert signal.getsignal(USR1) == before
    assert (tmp_path / "asked").read_text() == "requeue 4711\n"
    assert "job 4711 was requeued" in capfd.readouterr().err
    assert not list(tmp_path.glob("hpc_ckpt*"))
    compare(images, tmp_path, saved, whole("epochs"))


def test_second_ctrl_c_ends_the_run_without_a_checkpoint(images, tmp_path, capfd):
    twice = [SignalIn(2, INT), SignalIn(2, INT, "on_after_backward")]
    with pytest.raises(SystemExit):
        fit(images, tmp_path, more=twice)
    assert len(trace(tmp_path)) == 2
    assert "press Ctrl+C again" in capfd.readouterr().err
    assert not (tmp_path / "interrupted.ckpt").exists()


class SignalToAllIn(SignalIn):
    """Sends the signal to the DataLoader workers too, as terminals and SLURM do."""

    def _send(self, trainer, *_):
        if trainer.fit_loop.epoch_loop.total_batch_idx == self.batch and self.number:
            for worker in active_children():
                os.kill(worker.pid, self.number)
        super()._send(trainer)


@pytest.mark.parametrize(("number", "code"), [(INT, 130), (TERM, 143)])
def test_dataloader_workers_ignore_the_signal(number, code, images, tmp_path, whole):
    interrupted(images, tmp_path, code, SignalToAllIn(1, number, "on_train_batch_start"), workers=2)
    assert trace(tmp_path) == trace(whole("epochs"))[:2]


def train_in_two(root: Path, folder: Path, number: int, hook: str, resume: str | None) -> None:
    """Train as one of two processes; the second, with fewer validation batches, sends itself a signal."""
    rank = os.environ["RANK"]
    fit(
        root,
        folder / rank,
        more=[SignalIn(1, number if rank == "1" else 0, hook)],
        resume=resume,
        saved=folder / "0",
        batch=2 * BATCH,
        devices=2,
        strategy=DDPStrategy(process_group_backend="gloo"),
        use_distributed_sampler=False,
        accumulate_grad_batches=2,
    )


def in_two_processes(*arguments) -> list[int | None]:
    return in_processes(train_in_two, *arguments, processes=2)


@pytest.mark.timeout(200)
@pytest.mark.nightly
@pytest.mark.parametrize("hook", ["on_before_backward", "on_validation_batch_end"])
@pytest.mark.parametrize(("number", "code"), [(TERM, 143), (INT, 130)])
def test_signal_to_one_of_two_processes_ends_both_resumably(number, code, hook, images, tmp_path):
    whole, ended = tmp_path / "whole", tmp_path / "ended"
    assert in_two_processes(images, whole, 0, hook, None) == [0, 0]
    assert in_two_processes(images, ended, number, hook, None) == [code, code]
    assert in_two_processes(images, ended, 0, hook, str(ended / "0" / "interrupted.ckpt")) == [0, 0]
    for rank in "01":
        assert trace(ended / rank) == trace(whole / rank)
        assert validations(ended / rank) == validations(whole / rank)
    states = [ended_state(folder / "0" / "last.ckpt") for folder in (whole, ended)]
    torch.testing.assert_close(states[1]["state_dict"], states[0]["state_dict"], rtol=0, atol=0)
    torch.testing.assert_close(states[1]["optimizer_states"], states[0]["optimizer_states"], rtol=0, atol=0)


def test_signal_in_the_last_step_keeps_the_final_validation(images, tmp_path):
    options = {"max_steps": 5, "max_epochs": -1, "val_check_interval": 2, "check_val_every_n_epoch": None}
    fit(images, tmp_path / "whole", more=[FinalValidation()], **options)
    with suppress(SystemExit):
        fit(images, tmp_path / "parts", more=[FinalValidation(), SignalIn(4, TERM)], **options)
    stored = tmp_path / "parts" / "interrupted.ckpt"
    if stored.exists():
        fit(images, tmp_path / "parts", more=[FinalValidation()], resume=str(stored), **options)
    assert validations(tmp_path / "parts") == validations(tmp_path / "whole")
