"""The command line of training: errors, configurations, defaults, checkpoints."""

import csv
import json
import sys
from pathlib import Path

import pytest
import torch
import yaml
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.demos.boring_classes import BoringModel
from lightning.pytorch.loggers import CSVLogger
from PIL import Image

from colorzoo.apps.cli._predict import PredictCLI
from colorzoo.apps.cli.main import main
from colorzoo.errors import ColorzooError, DataError, WeightsError
from colorzoo.testing.processes import in_processes
from colorzoo.testing.trainer import quiet_trainer
from colorzoo.training.command import StepProgressBar
from colorzoo.training.command import run_command as run
from colorzoo.training.configs import find_config
from colorzoo.training.loggers import keep_tables

NAME = "zhang2017_local"
WIDTH, WIDHT = "--model.width", "--model.widht=1"
NARROW = [WIDTH, "0.125"]
MODEL = ["--model", "Zhang2017Local"]
TINY = [
    "--data.batch_size=2", "--data.crop=32", "--data.resize=null", "--data.val_size=32",
    "--data.num_workers=0", "--trainer.accelerator=cpu", "--trainer.precision=32-true", "--trainer.devices=1",
]  # fmt: skip


def fit_words(images: Path, folder: Path, *more: str) -> list[str]:
    tiny = [*NARROW, *TINY, f"--data.root={images}", f"--trainer.default_root_dir={folder}"]
    return ["fit", "--model=Zhang2017Local", "--data=FolderDataModule", *tiny, *more]


@pytest.fixture(scope="module")
def trained(images, tmp_path_factory) -> Path:
    """The folder of a run of one epoch, five steps."""
    folder = tmp_path_factory.mktemp("run")
    assert run(fit_words(images, folder, "--trainer.max_epochs=1", "--trainer.log_every_n_steps=1")) == 0
    return folder / "runs" / "version_0"


MISTAKES = (
    (["--config", "zhang2017/local_smal.yaml"], "zhang2017/local_small.yaml"),
    ([*MODEL, "--data.root=x", "--trainer.max_step=5"], "--trainer.max_step"),
    (["--model", "Zhang2017Loca", "--data.root", "x"], "--model: Expected a known class"),
    ([*MODEL, "--data", "FolderDataModule"], "--data: the following arguments are required: root"),
    (MODEL, "required: fit.data"),
    ([*MODEL, WIDHT, "--data.root=x"], "widht"),
    ([*MODEL, f"{WIDTH}=wide", "--data.root=x"], f"{WIDTH}: Expected a float. Got value: wide"),
    ([*MODEL, "--data.root=x", "--trainer.deterministic=maybe"], "Given value: maybe"),
    ([*MODEL, "--trainer.max_stepz=1", "--data.root=x"], "--trainer.max_stepz"),
    ([*MODEL, *NARROW, "--data.root", "no_folder"], "--data.root"),
)


def test_fit_errors_are_one_line_and_name_the_option(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for words, expected in MISTAKES:
        with pytest.raises(ColorzooError) as caught:
            run(["fit", *words])
        assert expected in str(caught.value)
        assert "\n" not in str(caught.value)
    assert not list(tmp_path.rglob("*.ckpt"))


def test_fit_error_names_an_unknown_key_of_a_config_file(tmp_path, images):
    config = tmp_path / "c.yaml"
    model = {"class_path": "Zhang2017Local", "init_args": {"delta_": 1}}
    data = {"class_path": "FolderDataModule", "init_args": {"root": str(images)}}
    config.write_text(yaml.safe_dump({"model": model, "data": data}))
    with pytest.raises(ColorzooError, match="delta_"):
        run(["fit", "--config", str(config)])


def test_find_config_finds_shipped_configs_and_prefers_local_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_config("configs/zhang2017/local_small.yaml") == find_config("zhang2017/local_small.yaml")
    (tmp_path / "zhang2017").mkdir()
    (tmp_path / "zhang2017" / "local_small.yaml").write_text("mine")
    assert find_config("zhang2017/local_small.yaml").read_text() == "mine"


def test_fit_writes_config_record_images_and_checkpoints(trained):
    config = yaml.safe_load((trained / "config.yaml").read_text())
    record = json.loads((trained / "run.json").read_text())
    assert config["model"]["init_args"]["width"] == 0.125
    assert torch.__version__.startswith(record["versions"]["torch"])
    assert record["git"] is None or len(record["git"]["commit"]) == 40
    assert (trained / "checkpoints" / "last.ckpt").is_file()
    assert list((trained / "checkpoints").glob("best-*.ckpt"))
    assert not (trained / "checkpoints" / "interrupted.ckpt").exists()
    assert list((trained / "tensorboard").glob("events*"))
    with Image.open(next((trained / "images").glob("*.png"))) as table:
        # 5 images of 32 pixels; gray, 4 results, hints at 1, 10 and 100 points, truth
        assert table.size == (9 * 34 + 2, 5 * 34 + 2)


def test_fit_accepts_the_saved_config(trained, tmp_path):
    words = ["--config", str(trained / "config.yaml"), "--trainer.default_root_dir", str(tmp_path)]
    assert run(["fit", *words, "--trainer.logger=false", "--trainer.enable_checkpointing=false"]) == 0
    assert torch.get_float32_matmul_precision() == "highest"  # the setting for CPUs


def test_registered_model_is_trained_and_evaluated_by_name(images, tmp_path, capsys):
    """The settings come from the card; only ``fit`` starts from random weights."""
    name, folder = f"{NAME}_small", f"--trainer.default_root_dir={tmp_path}"
    words = [f"--model={name}", f"--data.root={images}", *TINY, folder]
    assert run(["fit", *words, "--trainer.max_steps=1", "--trainer.limit_val_batches=0"]) == 0
    config = yaml.safe_load((tmp_path / "runs" / "version_0" / "config.yaml").read_text())
    assert config["model"]["init_args"]["width"] == 0.25
    assert config["init_from"] is None
    assert run(["validate", *words, "--trainer.logger=false"]) == 0
    assert "val/psnr_10" in capsys.readouterr().out


@pytest.mark.parametrize(("max_steps", "expected"), [(7, "2/7"), (-1, "2")])
def test_progress_bar_shows_the_steps_of_the_run(tmp_path, max_steps, expected):
    trainer = quiet_trainer(tmp_path, max_steps=max_steps, max_epochs=1, limit_train_batches=2)
    trainer.fit(BoringModel())
    assert StepProgressBar().get_metrics(trainer, trainer.lightning_module)["step"] == expected


class Described(Callback):
    """Records the text of the progress bar at each batch."""

    def __init__(self) -> None:
        self.bar, self.texts = StepProgressBar(), set()

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        task = self.bar.progress.tasks[self.bar.train_progress_bar_id]
        self.texts.add(task.description.rpartition("]")[2].strip())


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({"max_steps": 3, "max_epochs": -1}, {"Epoch 0", "Epoch 1"}),
        ({"max_epochs": 2}, {"Epoch 0/1", "Epoch 1/1"}),
    ],
)
def test_progress_bar_shows_the_epoch_limit_only_if_there_is_one(tmp_path, limits, expected):
    described = Described()
    options = {"logger": False, "enable_checkpointing": False, "enable_model_summary": False}
    options |= {"limit_train_batches": 2, "callbacks": [described.bar, described], "accelerator": "cpu"}
    Trainer(default_root_dir=tmp_path, **limits, **options).fit(BoringModel())
    assert described.texts == expected


def optimizer_settings(capfd, *words: str) -> dict:
    with pytest.raises(SystemExit) as stop:
        run(["fit", "--config=zhang2017/local_small.yaml", "--data.root=x", *words, "--print_config"])
    assert stop.value.code == 0
    return yaml.safe_load(capfd.readouterr().out)["model"]["init_args"]


def overlay(folder: Path, **settings: object) -> str:
    path = folder / "second.yaml"
    path.write_text(yaml.safe_dump({"model": {"init_args": settings}}))
    return f"--config={path}"


def test_another_optimizer_keeps_no_settings_of_the_configured_one(capfd, tmp_path):
    configured = optimizer_settings(capfd)["optimizer"]
    assert configured["class_path"] == "torch.optim.AdamW"
    assert configured["init_args"]["weight_decay"] > 0
    second = overlay(tmp_path, optimizer={"class_path": "torch.optim.SGD", "init_args": {"lr": 0.3}})
    rate = "--model.optimizer.lr=0.3"
    for words in (["--model.optimizer=SGD", rate], [rate, "--model.optimizer=torch.optim.SGD"], [second]):
        found = optimizer_settings(capfd, *words)["optimizer"]
        assert found["class_path"] == "torch.optim.SGD"
        assert (found["init_args"]["lr"], found["init_args"]["weight_decay"]) == (0.3, 0.0)
    same = optimizer_settings(capfd, "--model.optimizer=AdamW", "--model.optimizer.lr=0.3")["optimizer"]
    assert same == {**configured, "init_args": {**configured["init_args"], "lr": 0.3}}


def test_another_schedule_keeps_no_settings_of_the_configured_one(capfd, tmp_path):
    first = overlay(
        tmp_path,
        lr_scheduler={"class_path": "colorzoo.training.schedules.Linear", "init_args": {"warmup_steps": 7}},
    )
    found = optimizer_settings(capfd, first, "--model.lr_scheduler=colorzoo.training.schedules.Cosine")
    assert found["lr_scheduler"]["init_args"]["warmup_steps"] == 0


def test_failed_start_leaves_no_run_folder(images, tmp_path):
    """Pages and scripts name ``runs/version_0``, also after a first attempt with a wrong data folder."""
    with pytest.raises(DataError, match="missing"):
        run(fit_words(tmp_path / "missing", tmp_path))
    assert not list(tmp_path.glob("runs/*"))
    assert run(fit_words(images, tmp_path, "--trainer.max_steps=1", "--trainer.limit_val_batches=0")) == 0
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["version_0"]
    resumed = [f"--ckpt_path={tmp_path}", "--trainer.max_steps=2"]
    with pytest.raises(DataError, match="missing"):
        run(fit_words(tmp_path / "missing", tmp_path, *resumed))
    assert (tmp_path / "runs" / "version_0" / "checkpoints" / "last.ckpt").is_file()


def short_run(images: Path, folder: Path, *more: str) -> list[str]:
    return fit_words(images, folder, "--trainer.max_steps=1", "--trainer.limit_val_batches=0", *more)


@pytest.mark.parametrize("name", ["config.yaml", "run.json", "own config.yaml"])
def test_fit_keeps_a_file_of_a_person_in_the_run_folder(images, tmp_path, name):
    """Without a logger, the run folder is the root folder, which is the working folder by default."""
    file = tmp_path / name.rpartition(" ")[2]
    file.write_text("# my settings\ntrainer:\n  logger: false\n")
    words = [f"--config={file}"] if name.startswith("own") else ["--trainer.logger=false"]
    with pytest.raises(ColorzooError, match=file.name):
        run(short_run(images, tmp_path, *words))
    assert file.read_text().startswith("# my settings")
    assert not (tmp_path / "checkpoints").exists()


@pytest.mark.parametrize("logger", ["none", "fixed"])
def test_new_run_keeps_the_checkpoints_of_an_earlier_run(images, tmp_path, logger):
    words = ["--trainer.logger=false"]
    root = folder = tmp_path / "root"
    if logger == "fixed":
        folder = root / "logs" / "a"
        settings = {"save_dir": "", "name": "logs", "version": "a"}
        value = {"class_path": "lightning.pytorch.loggers.CSVLogger", "init_args": settings}
        words = [f"--trainer.logger={json.dumps(value)}"]
    assert run(short_run(images, root, *words)) == 0
    last = folder / "checkpoints" / "last.ckpt"
    before, backup = last.read_bytes(), tmp_path / "backup.ckpt"
    backup.write_bytes(before)
    (folder / "run.json").write_bytes(b"")  # by a full disk
    for more in ([], [f"--ckpt_path={backup}"]):
        with pytest.raises(ColorzooError, match=last.name):
            run(short_run(images, root, *words, *more, "--seed_everything=5"))
        assert last.read_bytes() == before
    resumed = ["--trainer.max_steps=2", f"--ckpt_path={root}"]
    assert run(short_run(images, root, *words, *resumed)) == 0
    assert torch.load(last, weights_only=True)["global_step"] == 2


def test_earlier_tables_are_kept_in_a_folder_with_brackets(tmp_path):
    """The glob pattern ``run[1]`` does not match its own name."""
    logger = CSVLogger(tmp_path, name="run[1]", version="a")
    folder = Path(logger.log_dir)
    folder.mkdir(parents=True)
    (folder / "metrics-1.csv").write_text("1")
    (folder / "metrics-3.csv").write_text("3")
    for text in ("2", "4"):
        (folder / "metrics.csv").write_text(text)
        keep_tables([logger])
    assert {each.name: each.read_text() for each in folder.iterdir()} == {
        f"metrics-{number}.csv": f"{number}" for number in range(1, 5)
    }


def test_predict_writes_an_image_per_input(trained, images, tmp_path):
    words = [
        f"--config={trained / 'config.yaml'}",
        f"--ckpt_path={trained / 'checkpoints' / 'last.ckpt'}",
        f"--data.root={images}",
        "--output",
        str(tmp_path),
    ]
    assert run(["predict", *words, *TINY, "--trainer.logger=false"], PredictCLI) == 0
    expected = {f"train/p{i:02d}.png" for i in range(11)} | {f"val/p{i:02d}.png" for i in range(5)}
    assert {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.png")} == expected
    with Image.open(tmp_path / "val" / "p00.png") as image:
        assert (image.size, image.mode) == ((48, 48), "RGB")


def test_evaluation_of_random_weights_requires_allow_untrained(images, tmp_path):
    words = ["test", *fit_words(images, tmp_path)[1:], "--trainer.logger=false"]
    with pytest.raises(WeightsError, match="random weights"):
        run(words)
    assert run([*words, "--allow_untrained", "true"]) == 0


def test_init_from_loads_the_weights_of_a_checkpoint(trained, images, tmp_path):
    checkpoint = trained / "checkpoints" / "last.ckpt"
    frozen = [
        "--model.optimizer=Adam",
        "--model.optimizer.lr=0",
        "--trainer.max_steps=1",
        "--trainer.logger=false",
        f"--init_from={checkpoint}",
    ]
    assert run(fit_words(images, tmp_path, *frozen)) == 0
    (made,) = [path for path in tmp_path.rglob("*.ckpt") if path.name == "last.ckpt"]
    old, new = (torch.load(path, weights_only=True)["state_dict"] for path in (checkpoint, made))
    name = "model.network.unet.block1.0.weight"
    torch.testing.assert_close(old[name], new[name])


def validations(run_folder: Path) -> list[tuple[int, float]]:
    """Return step and PSNR of each validation of a run."""
    with (run_folder / "metrics.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["val/psnr_0"]]
    return [(int(row["step"]), float(row["val/psnr_0"])) for row in rows]


@pytest.mark.parametrize("averages", [False, True])
def test_initial_weights_are_the_best_checkpoint_if_training_harms_them(averages, trained, images, tmp_path):
    checkpoint = trained / "checkpoints" / "last.ckpt"
    harmful = ["--model.optimizer=SGD", "--model.optimizer.lr=1", "--trainer.gradient_clip_val=1"]
    if averages:
        harmful.append("--trainer.callbacks+=colorzoo.training.callbacks.GrowingWeightAveraging")
    words = [*harmful, f"--init_from={checkpoint}", "--trainer.max_steps=3", "--trainer.val_check_interval=1"]
    assert run(fit_words(images, tmp_path, *words)) == 0
    folder = tmp_path / "runs" / "version_0"
    (start, before), *others = validations(folder)
    assert start == 0
    assert before == pytest.approx(validations(trained)[-1][1], abs=1e-4)
    assert len(others) == 3  # as without initial weights
    assert all(after < before for _, after in others)
    (best,) = (folder / "checkpoints").glob("best-*.ckpt")
    assert best.name == "best-step=0.ckpt"
    old, new = (torch.load(path, weights_only=True)["state_dict"] for path in (checkpoint, best))
    assert all(torch.equal(old[name], new[name]) for name in new)
    # the best checkpoint can be resumed and stores the record of the run
    found = torch.load(best, weights_only=True)["provenance"]
    assert found["start"]["file"] == "last.ckpt"
    assert found["data"]["images"] == 11
    assert run(fit_words(images, tmp_path, *words, f"--ckpt_path={best}")) == 0


def test_training_from_random_weights_starts_without_a_validation(trained):
    assert [step for step, _ in validations(trained)] == [4]


def fit_and_list_imports(words: list[str], imports: Path) -> int:
    """Train and write the names of the imported model packages to a file."""
    failed = main(words)
    modules = [name.split(".") for name in sys.modules if name.startswith("colorzoo.zoo.")]
    imports.write_text(" ".join({name[2] for name in modules if len(name) > 3 and name[3] != "card"}))
    return failed


def test_fit_imports_only_the_package_of_its_model(images, tmp_path):
    words = fit_words(images, tmp_path, "--trainer.fast_dev_run=true")
    assert in_processes(fit_and_list_imports, words, tmp_path / "imports") == [0]
    assert (tmp_path / "imports").read_text() == "zhang2017"
