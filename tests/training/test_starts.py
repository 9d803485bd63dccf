"""Starting weights of training, and provenance in checkpoints and weight files."""

import json
from importlib import import_module
from pathlib import Path

import pytest
import torch
import yaml
from harness import make_images, small_data, small_trainer
from lightning.pytorch.callbacks import ModelCheckpoint

from colorzoo import create_model
from colorzoo.data.sources import Sources, digest_of, find_sources
from colorzoo.errors import ColorzooError, WeightsError
from colorzoo.factory import build_model
from colorzoo.files import sha256_of
from colorzoo.options import constructor_parameters
from colorzoo.registry import load_task_class, model_card
from colorzoo.testing import sample_batch, sample_guidance
from colorzoo.testing.trainer import batch_loader, quiet_trainer, silent_lightning
from colorzoo.training.callbacks.run_files import RunRecord
from colorzoo.training.command import run_command as run
from colorzoo.training.initial_weights import load_initial_weights
from colorzoo.training.module import ColorizationModule
from colorzoo.weights import read_weights
from colorzoo.weights.convert import convert_weights
from colorzoo.weights.load import Provenance, data_digest


def model_of(name: str, **settings) -> ColorizationModule:
    torch.manual_seed(0)
    card = model_card(name)
    return build_model(load_task_class(card), {**card.hparams, **settings})


def fit(model: ColorizationModule, images: Path, folder: Path) -> Path:
    """Train an epoch and return the checkpoint."""
    saver = ModelCheckpoint(folder, save_last=True, save_top_k=0)
    trainer = small_trainer(folder, saver, RunRecord(), max_epochs=1, limit_val_batches=0)
    trainer.fit(model, small_data(images))
    return folder / "last.ckpt"


def same_layers(one: torch.nn.Module, other: torch.nn.Module, prefix: str) -> bool:
    theirs = other.state_dict()
    mine = {key: value for key, value in one.state_dict().items() if key.startswith(prefix)}
    return bool(mine) and all(torch.equal(value, theirs[key]) for key, value in mine.items())


def test_record_of_initial_weights_contains_their_license():
    """Model cards of fine-tuned weights state the license and the training data of the initial weights."""
    model, listed = model_of("zhang2017_local_small"), model_card("zhang2017_local_small").weights["default"]
    load_initial_weights(model, "zhang2017_local_small")
    record = model.provenance.start["provenance"]
    assert record["license"] == listed.license == "Apache-2.0"
    assert record["sha256"] == listed.sha256


@pytest.mark.parametrize("name", ["zhang2016", "zhang2017_global", "zhang2017_local"])
def test_init_from_another_model_copies_the_shared_layers(name):
    model = model_of(name, width=0.25)
    source = create_model("zhang2017_local_small").model.network.unet
    target = model.model.network if name == "zhang2016" else model.model.network.unet
    assert not same_layers(target, source, "block5.")
    load_initial_weights(model, "zhang2017_local_small")
    assert same_layers(target, source, "block5.")
    assert not model.trained  # other layers are random
    assert model.provenance.start["model"] == "zhang2017_local_small"


@pytest.mark.parametrize("name", ["zhang2016", "zhang2017_global", "zhang2017_local"])
@pytest.mark.filterwarnings("ignore:zhang2017_local has random weights")
def test_init_from_a_model_without_weights_raises(name, monkeypatch):
    monkeypatch.setenv("COLORZOO_OFFLINE", "1")
    model = model_of(name, width=1.0 if name == "zhang2017_global" else 0.125)
    with pytest.raises(WeightsError, match="has no weights on this machine") as caught:
        load_initial_weights(model, "cho2023_points")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["zhang2016", "zhang2017_global"])
def test_init_from_another_width_or_model_family_raises(name):
    model = model_of(name, width=0.125)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    for source in ("zhang2017_local_small", "cho2023_small"):
        with pytest.raises(ColorzooError, match="--init_from must be weights"):
            load_initial_weights(model, source)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


@pytest.mark.parametrize("name", ["zhang2016", "zhang2017_global", "zhang2017_local"])
def test_filter_weights_requires_an_equal_normalization(name):
    source = model_of("zhang2017_local", width=0.125, mask_center=0.5)
    with pytest.raises(ColorzooError, match=r"--init_from must name a model with \(?mask_center"):
        model_of(name, width=0.125).filter_weights(source)


def test_zhang2017_global_equals_its_starting_model_before_training():
    """The guidance branch has no effect yet; lightness is scaled as in the starting model."""
    model = model_of("zhang2017_global", width=0.25, init_std=None).eval()
    load_initial_weights(model, "zhang2017_local_small")
    lightness = 100 * torch.rand(1, 1, 32, 40, generator=torch.Generator().manual_seed(0))
    plain = model_of("zhang2017_local_small", hint_attention=False, scene_blocks=0).eval()
    state = create_model("zhang2017_local_small").model.network.state_dict()
    plain.model.network.load_state_dict({key: state[key] for key in plain.model.network.state_dict()})
    told = sample_guidance(["statistics"], (32, 40))
    torch.testing.assert_close(model(lightness, told).ab, plain(lightness).ab, rtol=0, atol=1e-3)


MISSING = "deleted.safetensors"


@pytest.mark.parametrize(
    ("name", "settings", "missing"),
    [
        ("antic2019", {"stage": "critic"}, {}),  # without trained weights, the stage requires --init_from
        ("chen2023", {}, {"segmenter_weights": MISSING}),
        ("kim2021", {"backbone_weights": None}, {}),  # without a checkpoint, the backbone is untrained
    ],
)
def test_resumed_training_does_not_need_initial_weights(name, settings, missing, tmp_path):
    card = model_card(name)
    settings = {**card.contract_test.hparams, **settings}
    size = (card.contract_test.size,) * 2
    batches = batch_loader([sample_batch(size, batch=2)])
    with silent_lightning():
        first = model_of(name, **settings)
        first.allow_untrained = True
        trainer = quiet_trainer(tmp_path, max_epochs=1)
        trainer.fit(first, batches)
        trainer.save_checkpoint(tmp_path / "last.ckpt")
        trainer = quiet_trainer(tmp_path, max_epochs=2)
        with pytest.raises(WeightsError):
            trainer.fit(model_of(name, **{**settings, **missing}), batches)
        trainer = quiet_trainer(tmp_path, max_epochs=2)
        trainer.fit(model_of(name, **{**settings, **missing}), batches, ckpt_path=tmp_path / "last.ckpt")
    assert trainer.global_step == 2


SETTINGS = [  # settings of two models whose weights have equal names and shapes
    ("zhang2017_local", {"mask_center": 0.5}, {}),
    ("zhang2017_local", {}, {"ab_scale": 100.0}),
    ("zhang2017_global", {"ab_scale": 100.0}, {}),
    ("su2020", {"mask_center": 0.0}, {}),
    ("yun2023_tiny", {}, {"mask_center": 0.5}),
    ("larsson2016", {"mean": 0.4488}, {"mean": 0.0}),
]


@pytest.mark.parametrize(("name", "stored", "own"), SETTINGS)
def test_initial_weights_must_have_the_input_and_output_scale_of_the_model(name, stored, own, tmp_path):
    card = model_card(name)
    small = card.contract_test.hparams
    source, target = (model_of(name, **{**small, **settings}) for settings in (stored, own))
    for model in (source, target):
        model.trained = True
    source.model.save_pretrained(tmp_path)
    file = str(tmp_path / "model.safetensors")
    before = {key: value.clone() for key, value in target.state_dict().items()}
    (setting,) = {**stored, **own}
    with pytest.raises(WeightsError, match=f"{setting} of --model must be"):
        load_initial_weights(target, file)
    assert all(torch.equal(value, before[key]) for key, value in target.state_dict().items())
    load_initial_weights(model_of(name, **{**small, **stored}), file)


STAGES = {  # first and second training of a model, and settings of both
    "huang2022": ("Huang2022VQGAN", "Huang2022", {}, {}),
    "xia2022": ("Xia2022", "Xia2022", {"stage": "superpixels"}, {"stage": "colors"}),
    "xiao2020": ("Xiao2020", "Xiao2020", {"stage": "first"}, {"stage": "later"}),
    "xu2020": ("Xu2020", "Xu2020", {"stage": "encoder"}, {"stage": "color"}),
}


@pytest.mark.filterwarnings("ignore::colorzoo.errors.UntrainedWarning")
@pytest.mark.parametrize("name", STAGES)
def test_checkpoint_of_a_first_stage_does_not_count_as_trained(name, tmp_path):
    card = model_card(name)
    module = import_module(load_task_class(card).__module__)
    *classes, first, second = STAGES[name]
    batches = batch_loader([sample_batch((card.contract_test.size,) * 2, batch=2)])

    def train(kind: str, settings, path: Path, before: Path | None = None) -> ColorizationModule:
        torch.manual_seed(0)
        task_class = getattr(module, kind)
        small = {**card.contract_test.hparams, "discriminator_width": 0.125, **settings}
        known = constructor_parameters(task_class).keys()
        task = build_model(task_class, {key: value for key, value in small.items() if key in known})
        task.allow_untrained = True
        if before is not None:
            load_initial_weights(task, str(before))
        trainer = quiet_trainer(tmp_path, max_epochs=1, limit_val_batches=0)
        with silent_lightning():
            trainer.fit(task, batches)
        trainer.save_checkpoint(path)
        return task

    stage1, again, stage2 = (tmp_path / f"{each}.ckpt" for each in ("stage1", "again", "stage2"))
    assert not train(classes[0], first, stage1).trained
    assert not train(classes[0], first, again, stage1).trained
    assert train(classes[1], second, stage2, stage1).trained
    assert train(classes[0], first, again, stage2).trained  # the other parts have been trained before
    for path, is_trained in ((stage1, False), (stage2, True), (again, True)):
        assert create_model(name, path, **card.contract_test.hparams).trained == is_trained


def test_checkpoints_and_weight_files_store_provenance(images, tmp_path):
    first = fit(model_of("zhang2017_local_small", stage="joint"), images, tmp_path / "a")
    stored = torch.load(first, weights_only=True)["provenance"]
    assert (stored["model"], stored["stage"]) == ("Zhang2017Local", "joint")
    assert (stored["steps"], stored["images"]) == (3, 9)
    assert stored["data"]["images"] == 11  # an epoch of full batches omits two of them
    assert len(stored["data"]["sha256"]) == len(stored["data"]["content_sha256"]) == 64
    assert stored["optimizers"][0]["class"] == "torch.optim.adam.Adam"
    assert stored["resolved_config"] == {}  # no command line
    convert_weights(first, model_card("zhang2017_local_small"), tmp_path / "packed.safetensors")
    packed = json.loads(read_weights(tmp_path / "packed.safetensors").stored["provenance"])
    assert packed == stored
    loaded = create_model("zhang2017_local_small", tmp_path / "packed.safetensors")
    assert loaded.provenance == Provenance.of(stored)


def test_next_stage_continues_with_weights_loaded_by_create_model(images, tmp_path):
    first = fit(model_of("su2020", stage="full", width=0.125), images, tmp_path)
    model = create_model("su2020", first, stage="instance", width=0.125)
    full, instance = model.model.network.full.state_dict(), model.model.network.instance.state_dict()
    assert any(not torch.equal(full[key], instance[key]) for key in full)
    model.prepare_fit()
    instance = model.model.network.instance.state_dict()
    assert all(torch.equal(full[key], instance[key]) for key in full)


def test_unknown_stage_raises():
    for name in ["zhang2017_local", "kim2021_small", "cho2023", "su2020", "xu2020", "zhang2016"]:
        with pytest.raises(ColorzooError, match=r"stage must be|has no argument") as caught:
            model_of(name, stage="regresion")
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("is_changed", [False, True])
def test_resumed_run_records_an_earlier_segment_only_for_other_data(is_changed, images, tmp_path):
    """Checkpoints of earlier versions of colorzoo contain fewer hashes of the data."""
    checkpoint = fit(model_of("zhang2017_local_small"), images, tmp_path / "a")
    content = torch.load(checkpoint, weights_only=True)
    del content["provenance"]["data"]["content_sha256"]
    if is_changed:
        content["provenance"]["data"]["sha256"] = "0" * 64
    torch.save(content, checkpoint)
    saver = ModelCheckpoint(tmp_path / "b", save_last=True, save_top_k=0)
    trainer = small_trainer(tmp_path / "b", saver, RunRecord(), max_epochs=2, limit_val_batches=0)
    trainer.fit(model_of("zhang2017_local_small"), small_data(images), ckpt_path=checkpoint)
    resumed = torch.load(tmp_path / "b" / "last.ckpt", weights_only=True)["provenance"]
    assert [each["data"]["sha256"] for each in resumed["earlier"]] == ["0" * 64] * is_changed
    assert len(resumed["data"]["content_sha256"]) == 64


def test_convert_weights_adds_no_provenance_to_a_checkpoint_without_it(tmp_path, images):
    checkpoint = fit(model_of("zhang2017_local_small"), images, tmp_path)
    content = torch.load(checkpoint, weights_only=True)
    del content["provenance"]
    torch.save(content, checkpoint)
    convert_weights(checkpoint, model_card("zhang2017_local_small"), tmp_path / "packed.safetensors")
    metadata = read_weights(tmp_path / "packed.safetensors").stored
    assert metadata.keys() == {"format_version", "model", "hparams", "conventions"}


def test_weight_files_distinguish_runs_with_altered_settings(images, tmp_path):
    words = ["fit", "--config", "zhang2017/local_small.yaml", f"--data.root={images}", "--data.crop=32"]
    words += ["--data.batch_size=2", "--data.resize=null", "--data.val_size=32", "--data.val_limit=1"]
    words += ["--model.width=0.125", "--model.scene_blocks=1", "--trainer.precision=32-true"]
    words += ["--trainer.accelerator=cpu", "--trainer.enable_progress_bar=false"]
    found = []
    for folder, more in (("a", ()), ("b", ("--model.hints=0.25", "--seed_everything=7"))):
        run([*words, *more, "--trainer.max_steps=1", f"--trainer.default_root_dir={tmp_path / folder}"])
        (checkpoint,) = (tmp_path / folder).rglob("last.ckpt")
        packed = tmp_path / f"{folder}.safetensors"
        settings = {"width": 0.125, "scene_blocks": 1}
        convert_weights(checkpoint, model_card("zhang2017_local_small"), packed, hparams=settings)
        found.append(read_weights(packed).provenance)
    for record, hints, seed in zip(found, (0.4, 0.25), (0, 7), strict=True):
        assert record["config"] == ["zhang2017/local_small.yaml"]
        assert record["resolved_config"]["model"]["init_args"]["hints"] == hints
        assert record["resolved_config"]["trainer"]["max_steps"] == 1
        assert record["resolved_config"]["data"]["init_args"]["min_scale"] == 0.7
        assert record["seed"] == record["resolved_config"]["seed_everything"] == seed
        assert record["optimizers"] == [{**record["optimizers"][0], "weight_decay": 0.01, "lr": 2e-3}]
    # resume with another setting
    more = ("--trainer.max_steps=2", f"--trainer.default_root_dir={tmp_path / 'a'}")
    run([*words, *more, f"--ckpt_path={tmp_path / 'a'}"])
    (checkpoint,) = (tmp_path / "a").rglob("last.ckpt")
    resumed = torch.load(checkpoint, weights_only=True)["provenance"]
    assert resumed["resolved_config"]["trainer"]["max_steps"] == 2
    (earlier,) = resumed["earlier"]
    assert earlier["until"] == 1
    assert earlier["resolved_config"] == found[0]["resolved_config"]


def test_content_hash_depends_on_names_and_contents(tmp_path):
    def digest() -> dict:
        return digest_of(Sources.of(find_sources(tmp_path)), tmp_path)

    make_images(tmp_path, 3)
    first = digest()
    image = tmp_path / "p00.png"
    image.write_bytes(image.read_bytes()[:-1] + b"x")
    assert digest()["sha256"] == first["sha256"]
    assert digest()["content_sha256"] not in (first["content_sha256"], None)
    known = [f"{path.name}\0{sha256_of(path)}" for path in tmp_path.iterdir()]
    assert digest()["content_sha256"] == data_digest(known)["sha256"]


@pytest.mark.nightly
def test_provenance_of_a_second_stage_contains_the_first_stage(images, tmp_path):
    config = tmp_path / "mine.yaml"
    small = {"width": 0.125, "stage": "classification"}
    config.write_text(yaml.safe_dump({"model": {"class_path": "Zhang2017Local", "init_args": small}}))
    words = ["fit", "--config", str(config), "--data=FolderDataModule", f"--data.root={images}"]
    words += ["--data.batch_size=3", "--data.crop=32", "--data.resize=null", "--data.val_size=32"]
    words += ["--data.num_workers=0", "--trainer.accelerator=cpu", "--trainer.max_epochs=1"]
    assert run([*words, f"--trainer.default_root_dir={tmp_path / 'a'}"]) == 0
    (first,) = (tmp_path / "a").rglob("last.ckpt")
    more = [
        "--model.stage=regression",
        f"--init_from={first}",
        f"--trainer.default_root_dir={tmp_path / 'b'}",
    ]
    assert run([*words, *more]) == 0
    (second,) = (tmp_path / "b").rglob("last.ckpt")
    found = torch.load(second, weights_only=True)["provenance"]
    assert found["stage"] == "regression"
    assert [Path(name).name for name in found["config"]] == ["mine.yaml"]
    assert found["start"]["provenance"]["stage"] == "classification"
    assert found["start"]["file"] == "last.ckpt"
    assert found["images"] == found["start"]["provenance"]["images"] == 9


@pytest.mark.parametrize(
    ("stage", "trained"),
    [
        ("distribution", ("model.network.hypercolumn.",)),
        ("colors", ("model.network.unet.block10.", "model.network.unet.ab_head.")),
    ],
)
def test_frozen_layers_keep_their_state_during_training(stage, trained, images, tmp_path):
    model = model_of("zhang2017_local_small", stage=stage, hypercolumn=stage == "distribution")
    before = {key: value.clone() for key, value in model.state_dict().items()}
    fit(model, images, tmp_path)
    moved = {key for key, value in model.state_dict().items() if not torch.equal(value, before[key])}
    assert moved
    assert all(key.startswith(trained) for key in moved)
