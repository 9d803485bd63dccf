"""Sweeps without a server: which trials there are, what each runs, what is run again, and the table."""

from __future__ import annotations

import csv
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from colorzoo.cli.main import main
from colorzoo.errors import ColorzooError
from colorzoo.training.sweeps import read_sweep, trials, words_of

SWEEP = {
    "program": "colorzoo",
    "command": ["colorzoo", "fit", "--data.root=${envvar:DATA}", "${args}"],
    "method": "grid",
    "metric": {"name": "val/psnr_10", "goal": "maximize"},
    "parameters": {"model.optimizer.lr": {"values": [0.1, 0.2]}, "data.crop": {"values": [8, 16]}},
}


@pytest.fixture
def sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DATA", "/pictures")
    path = tmp_path / "sweep.yaml"
    path.write_text(yaml.safe_dump(SWEEP, sort_keys=False))
    return path


class Fits:
    """Takes the place of ``colorzoo fit``: writes a table of numbers, or ends with a code.

    Attributes:
        codes: Exit codes of the next calls; 0 when there are none left.
        ran: The words of each call.
    """

    def __init__(self) -> None:
        self.codes: list[int] = []
        self.ran: list[list[str]] = []

    def __call__(self, words: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        self.ran.append(words[words.index("fit") :])
        code = self.codes.pop(0) if self.codes else 0
        given = dict(word.removeprefix("--").split("=", 1) for word in words if word.startswith("--"))
        folder = Path(given["trainer.default_root_dir"]) / "runs" / "version_0"
        folder.mkdir(parents=True, exist_ok=True)
        best = float(given["model.optimizer.lr"]) * int(given["data.crop"])
        (folder / "metrics.csv").write_text(f"step,val/psnr_10\n1,{best}\n2,{best / 2}\n3,\n")
        return subprocess.CompletedProcess(words, code)


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch) -> Fits:
    found = Fits()
    monkeypatch.setattr("colorzoo.training.sweeps.subprocess.run", found)
    return found


def table(folder: Path) -> list[list[str]]:
    with (folder / "results.csv").open() as file:
        return list(csv.reader(file))


def test_a_killed_sweep_goes_on_and_ends_in_one_table(sweep: Path, fits: Fits, tmp_path: Path) -> None:
    words = ["sweep", str(sweep), "-o", str(tmp_path / "out")]
    fits.codes = [0, -9]
    assert main(words) == 137
    assert len(fits.ran) == 2
    assert main(words) == 0
    assert len(fits.ran) == 5  # the second one again, and the others
    assert fits.ran[1] == fits.ran[2]
    folder = tmp_path / "out" / "trial_0003"
    settings = ["--data.root=/pictures", "--model.optimizer.lr=0.2", "--data.crop=16"]
    own = [f"--trainer.default_root_dir={folder}", f"--ckpt_path={folder}"]
    assert fits.ran[4] == ["fit", *settings, *own]
    assert table(tmp_path / "out") == [
        ["trial", "state", "model.optimizer.lr", "data.crop", "val/psnr_10"],
        *(["3", "done", "0.2", "16", "3.2"], ["1", "done", "0.1", "16", "1.6"]),
        *(["2", "done", "0.2", "8", "1.6"], ["0", "done", "0.1", "8", "0.8"]),
    ]
    assert main(words) == 0
    assert len(fits.ran) == 5


def test_a_failed_trial_does_not_end_the_sweep_and_is_run_again(sweep, fits, tmp_path) -> None:
    words = ["sweep", str(sweep), "-o", str(tmp_path / "out")]
    fits.codes = [2]
    assert main(words) == 1
    assert len(fits.ran) == 4
    assert ["0", "ended with 2", "0.1", "8", "0.8"] in table(tmp_path / "out")
    assert main(words) == 0
    assert len(fits.ran) == 5


def test_an_array_runs_one_trial_each(sweep, fits, tmp_path, monkeypatch, capsys, refused) -> None:
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "2")
    words = ["sweep", str(sweep), "-o", str(tmp_path / "out")]
    assert main(words) == 0
    assert [words[2] for words in fits.ran] == ["--model.optimizer.lr=0.2"]
    assert [row[0] for row in table(tmp_path / "out")] == ["trial", "2"]
    told = "colorzoo: trial 2 of 4: model.optimizer.lr=0.2, data.crop=8\n"
    assert capsys.readouterr().err == told
    assert main([*words, "--trial", "0"]) == 0
    assert [row[0] for row in table(tmp_path / "out")[1:]] == ["2", "0"]
    for number in ("4", "-1"):
        error = f"there is no trial {number}; the sweep has 4, from 0."
        assert error in refused(*words, "--trial", number)


@pytest.mark.parametrize(("code", "ends", "runs"), [(-15, 143, 1), (128, 128, 1), (127, 1, 4), (1, 1, 4)])
def test_a_signal_ends_the_sweep(sweep, fits, tmp_path, code, ends, runs) -> None:
    fits.codes = [code]
    assert main(["sweep", str(sweep), "-o", str(tmp_path / "out")]) == ends
    assert len(fits.ran) == runs


def test_commands_are_printed_and_nothing_is_run(sweep, fits, tmp_path, capsys) -> None:
    assert main(["sweep", str(sweep), "-o", str(tmp_path / "out"), "--count", "3", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert all(
        line.startswith("colorzoo fit --data.root=/pictures --model.optimizer.lr=0.") for line in lines
    )
    assert not fits.ran
    assert not (tmp_path / "out").exists()


def test_a_random_search_draws_the_same_trials_for_a_seed(sweep: Path, tmp_path: Path) -> None:
    content = {
        "a": {"min": 1, "max": 4},
        "b": {"min": 1e-4, "max": 1e-1, "distribution": "log_uniform_values"},
        "c": {"value": "x"},
        "d": {"min": 1, "max": 4, "distribution": "uniform"},
    }
    sweep.write_text(yaml.safe_dump({**SWEEP, "method": "random", "parameters": content}))
    found = read_sweep(sweep)
    drawn = [[each.values for each in trials(found, tmp_path, 200, seed)] for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert {each["a"] for each in drawn[0]} == {1, 2, 3, 4}
    assert all(1e-4 <= each["b"] <= 1e-1 and each["c"] == "x" for each in drawn[0])
    assert {1 <= each["d"] <= 4 and each["d"] % 1 > 0 for each in drawn[0]} == {True}
    assert sum(each["b"] < 3e-3 for each in drawn[0]) == pytest.approx(100, abs=30)  # even in the logarithm


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "bayes"}, "'bayes' needs the server of wandb; use --method random or grid"),
        ({"parameters": {"a": {"min": 0, "max": 1}}}, "a is a range, which a grid cannot take"),
        ({"method": "random"}, "needs --count"),
        ({"method": "random", "parameters": {"a": {}}}, "needs --count"),
        ({"command": ["python", "train.py"]}, "with `fit` among them"),
        ({"parameters": None}, "it needs `command` and `parameters`"),
    ],
)
def test_each_mistake_is_one_line(change, message, sweep, tmp_path, refused) -> None:
    sweep.write_text(yaml.safe_dump({**SWEEP, **change}))
    assert message in refused("sweep", sweep, "-o", tmp_path / "out")


def test_another_sweep_in_the_folder_and_a_missing_variable_are_refused(
    sweep, fits, tmp_path, monkeypatch
) -> None:
    found = read_sweep(sweep)
    assert main(["sweep", str(sweep), "-o", str(tmp_path / "out")]) == 0
    record = tmp_path / "out" / "trial_0000" / "trial.json"
    record.write_text(json.dumps({**json.loads(record.read_text()), "values": {"other": 1}}))
    assert main(["sweep", str(sweep), "-o", str(tmp_path / "out")]) == 2
    monkeypatch.delenv("DATA")
    with pytest.raises(ColorzooError, match="needs the variable DATA"):
        words_of(found, trials(found, tmp_path, None, 0)[0])
