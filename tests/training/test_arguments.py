"""What the words of a command line stand for, before the parser reads them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch

from colorzoo.errors import WeightsError
from colorzoo.training.arguments import read_arguments, root_of, spell_nulls
from colorzoo.training.loggers import RECORD, CSVLogger, continue_logger, earlier_run, place_logger
from colorzoo.training.resumed import with_default_model, with_implied_arguments
from colorzoo.training.resuming import agreeing_checkpoint

DATA = ["--data.root=x"]


def flags_of(words: list[str]) -> list[str]:
    return [each.word for each in read_arguments(words)]


@pytest.mark.parametrize(
    ("words", "read"),
    [
        ("--a 1 --b=2=3 c", ["--a=1", "--b=2=3", "c"]),
        ("--a --b 2 -c", ["--a", "--b=2", "-c"]),
        ("--a -1 --b=None/x album", ["--a", "-1", "--b=None/x", "album"]),
        ("--fresh --dry_run=false", ["--fresh=true", "--dry_run=false"]),
        ("--a=None --b None", ["--a=null", "--b=null"]),
        ("model.lr=1 data.x.y=2 metrics=psnr", ["--model.lr=1", "--data.x.y=2", "--metrics=psnr"]),
        ("model=1 modeling.lr=1 seed_everything=3", ["model=1", "modeling.lr=1", "--seed_everything=3"]),
    ],
)
def test_words_become_flags_with_values(words: str, read: list[str]) -> None:
    assert flags_of(words.split()) == read


def test_null_of_a_group_is_spelled_out_and_that_of_an_optimizer_is_not() -> None:
    names = ("a.width", "init_args.a.width", "optimizer.lr", "lr_scheduler.total", "start", "init_args.start")
    given = [f"--model.{name}=null" for name in names]
    grouped = [f"--model.{path}=" + json.dumps({"width": None}) for path in ("a", "init_args.a")]
    assert [each.word for each in spell_nulls(read_arguments(given))] == [*grouped, *given[2:]]
    kept = read_arguments(["--model.a.width=1", "--config=zhang2017/local_small.yaml"])
    assert spell_nulls(kept) == kept


def test_the_last_root_of_options_and_configurations_counts(tmp_path: Path) -> None:
    for name, trainer in (("own", "{default_root_dir: b}"), ("plain", "{devices: 1}"), ("none", "null")):
        (tmp_path / f"{name}.yaml").write_text(f"trainer: {trainer}\n")
    own, *others = (f"--config={tmp_path}/{name}.yaml" for name in ("own", "plain", "none"))
    option = "--trainer.default_root_dir=a"
    for words, root in (([option, own], "b"), ([own, option], "a"), ([option, *others], "a"), (others, None)):
        assert root_of(read_arguments(words)) == root


def test_data_and_the_model_of_a_checkpoint_are_implied(tmp_path: Path) -> None:
    hparams = {"_class_path": "a.Model", "_other": 1, "width": 2}
    torch.save({"hyper_parameters": hparams}, tmp_path / "a.ckpt")
    resumed, model = (
        f"--ckpt_path={tmp_path}/a.ckpt",
        '--model={"class_path": "a.Model", "init_args": {"width": 2}}',
    )
    folder = "--data=FolderDataModule"
    for words, added in (
        ([resumed, *DATA], [model, folder]),
        ([resumed, "--model.width=1"], []),
        ([f"--ckpt_path={tmp_path}", "--data=Own", *DATA], []),
        ([resumed, *DATA, "--config=zhang2017/local_small.yaml"], []),
    ):
        found = [each.word for each in with_implied_arguments(read_arguments(words))]
        assert found == [*added, *flags_of(words)]
    torch.save({"hyper_parameters": {"width": 2}}, tmp_path / "a.ckpt")
    with pytest.raises(WeightsError, match="does not record its model; add --model CLASS"):
        with_implied_arguments(read_arguments([resumed]))
    torch.save({"weight": torch.ones(2)}, tmp_path / "a.ckpt")
    with pytest.raises(WeightsError, match=r"not a checkpoint of .*\(KeyError\); for bare weights"):
        with_implied_arguments(read_arguments([resumed]))


@pytest.mark.parametrize(
    ("more", "task", "start"),
    [
        (["--model=zhang2016_small"], "Zhang2016", "zhang2016_small"),
        (["--model=zhang2016_small", "--init_from=a.ckpt"], "Zhang2016", "a.ckpt"),
        (["--model=zhang2016_small", "--ckpt_path=a.ckpt"], "Zhang2016", None),
        (["--init_from=zhang2016_small"], "Zhang2016", "zhang2016_small"),
        (["--model=Zhang2016"], None, None),
        (["--model.width=1"], None, None),
        (["--ckpt_path=a.ckpt"], None, None),
        (["--config=zhang2017/local_small.yaml"], None, None),
    ],
)
def test_a_registered_name_stands_for_its_class_settings_and_weights(more, task, start) -> None:
    given = read_arguments([*DATA, *more])
    found = with_default_model(given)
    if task is None:
        assert found == given
        return
    told = {each.flag: each.value for each in found}
    model = json.loads(told["--model"])
    assert model["class_path"] == f"colorzoo.zoo.zhang2016.task.{task}"
    assert model["init_args"]["architecture"]["width"] == 0.25
    assert told.get("--init_from") == start
    assert len(found) == len(told)


def test_a_run_of_other_settings_is_named_once_and_damaged_files_are_skipped(tmp_path, capsys) -> None:
    paths = [tmp_path / f"v{number // 2}" / "checkpoints" / f"{number}.ckpt" for number in range(10)]
    for age, path in enumerate(paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save({"a": torch.ones(9)}, path)
        os.utime(path, (age, age))
    asked = []

    def difference(path: Path) -> str:
        asked.append(path)
        return "" if path.parts[-3] == "v0" else "crop 3, not 2"

    paths[1].write_bytes(b"cut")
    os.utime(paths[1], (1, 1))
    assert agreeing_checkpoint(tmp_path, difference, fresh=False) == paths[0]
    assert asked == [paths[9], paths[7], paths[5], paths[3], paths[1], paths[0]]
    told = capsys.readouterr().err.splitlines()
    own = "other settings (crop 3, not 2); resume it with its checkpoint's path"
    assert told == [
        f"colorzoo: {paths[1]} is damaged and skipped",
        *(f"colorzoo: {tmp_path / name} has {own}" for name in ("v4", "v3", "v2")),
        f"colorzoo: resuming from {paths[0]}",
    ]
    with pytest.raises(WeightsError, match=r"\(\S+v4 has all; \S+v3 has all; \S+v2 has all\); resume one by"):
        agreeing_checkpoint(tmp_path, lambda _: "all", fresh=False)
    assert agreeing_checkpoint(tmp_path, lambda _: "all", fresh=True) is None
    assert capsys.readouterr().err.endswith(
        f"no checkpoint of these settings in {tmp_path}: training starts anew\n"
    )


def test_loggers_of_a_resumed_run_go_on_in_its_folder(tmp_path: Path) -> None:
    run = tmp_path / "runs" / "version_3"
    (run / "checkpoints").mkdir(parents=True)
    assert earlier_run(run / "checkpoints" / "last.ckpt", tmp_path) is None  # no run of `fit`
    (run / RECORD).write_text('{"wandb": "abc"}')
    assert earlier_run(run / "checkpoints" / "last.ckpt", tmp_path) == run
    assert earlier_run(run / "checkpoints" / "last.ckpt", tmp_path / "elsewhere") is None
    for name, given, goes_on in (
        ("CSVLogger", {}, {"version": "version_3"}),
        ("TensorBoardLogger", {"version": None}, {"version": "version_3"}),
        ("WandbLogger", {"id": None}, {"id": "abc", "resume": "allow"}),
        *(
            (name, {"version": "v", "id": "i"}, {})
            for name in ("CSVLogger", "TensorBoardLogger", "WandbLogger")
        ),
        ("MLFlowLogger", {}, {}),
    ):
        config = {"class_path": f"lightning.pytorch.loggers.{name}", "init_args": dict(given)}
        continue_logger(config, run)
        assert config["init_args"] == {**given, **goes_on}
        own = f"{CSVLogger.__module__}.CSVLogger" if (name, given) == ("CSVLogger", {}) else None
        assert config["class_path"] == (own or f"lightning.pytorch.loggers.{name}")
    for given, placed in (
        ({"save_dir": None}, tmp_path),
        ({"save_dir": "a"}, tmp_path / "a"),
        ({"save_dir": "/a"}, "/a"),
    ):
        place_logger(config := {"init_args": given}, tmp_path)
        assert config["init_args"] == {"save_dir": str(placed)}
    place_logger(config := {"init_args": {}}, tmp_path)
    assert config == {"init_args": {}}
