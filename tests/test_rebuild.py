"""Commands that rebuild the weight files in the package (``benchmarks/rebuild``)."""

import csv
import importlib
import io
import random
import shlex
from collections import Counter
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F

from colorzoo import create_model, rgb_to_lab
from colorzoo.data import FolderDataModule
from colorzoo.networks.imagenet_encoder import ImageNetEncoder
from colorzoo.testing.samples import write_sample_images
from colorzoo.training.configs import find_config
from colorzoo.weights import read_weights, save_weights
from colorzoo.weights.catalog import EMBEDDED_FOLDER
from colorzoo.zoo.weng2022code.model import OBJECTS

ROOT = Path(__file__).parents[1]
LOST = {
    "zhang2017_local_small",
    "colorzoo2026",
    "colorzoo2026_encoder",
    "colorzoo2026_drawing",
}


@pytest.fixture
def rebuild(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT))
    return importlib.import_module("benchmarks.rebuild.__main__")


@pytest.fixture
def edit(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT))
    return importlib.import_module("benchmarks.rebuild.edit")


def test_every_embedded_weight_file_has_a_plan(rebuild) -> None:
    assert {path.stem for path in EMBEDDED_FOLDER.glob("*.safetensors")} == set(rebuild.PLANS)
    assert {name for name, plan in rebuild.PLANS.items() if plan.lost} == LOST


def test_pages_of_lost_weights_state_it_in_the_first_paragraph() -> None:
    for paper in ("zhang2017", "colorzoo2026", "colorzoo2026_drawing"):
        blocks = (ROOT / "src/colorzoo/zoo" / paper / "README.md").read_text().split("\n\n")
        prose = [block for block in blocks if not block.startswith(("#", "[Paper]"))]
        assert "cannot be rebuilt" in prose[0]


def test_the_page_of_weights_contains_the_table_of_the_plans(rebuild) -> None:
    assert rebuild.weights_table() in (ROOT / "docs" / "weights.md").read_text()


def test_dry_run_prints_commands_that_end_with_the_weight_file(rebuild, capsys) -> None:
    for name, plan in rebuild.PLANS.items():
        assert rebuild.main([name, "--dry-run", "--data", "D", "--out", "O"]) == 0
        lines = capsys.readouterr().out.splitlines()
        commands = [shlex.split(line) for line in lines if not line.startswith("#")]
        assert len(commands) == len(plan.commands)
        for words in commands:
            assert words[0] in ("colorzoo", "python")
            for option, value in pairwise(words):
                if option == "--config":
                    assert find_config(value).is_file()
            if "--config" in words:  # a later configuration would replace the folder
                assert words.index("--data.root") > max(
                    i for i, word in enumerate(words) if word == "--config"
                )
        if commands:
            assert any(word == f"O/{name}.safetensors" for word in commands[-1])
        else:
            assert plan.lost


@pytest.mark.nightly
@pytest.mark.parametrize("name", sorted(path.stem for path in EMBEDDED_FOLDER.glob("*.safetensors")))
def test_smoke_run_writes_the_weights_of_the_included_file(rebuild, tmp_path, name) -> None:
    plan, out = rebuild.PLANS[name], tmp_path / "out"
    if not plan.commands or not plan.smoke:
        assert plan.lost or plan.data.layout in ("wheel", "masks", "clips")  # other sources
        return
    assert rebuild.main([name, "--smoke", "--out", str(out)]) == 0
    path = out / f"{name}.safetensors"
    included = EMBEDDED_FOLDER / path.name
    assert create_model(name, path).trained
    assert set(read_weights(path).state_dict) == set(read_weights(included).state_dict)
    assert path.stat().st_size < included.stat().st_size + 50_000  # the training record is longer
    if any(command.startswith("colorzoo fit") for command in plan.commands):
        assert read_weights(path).provenance["resolved_config"]["trainer"]["max_steps"] == 3


def test_collected_text_images_have_class_maps_and_automatic_colors(rebuild, tmp_path: Path) -> None:
    text = importlib.import_module("benchmarks.rebuild.text")
    text.write_sample_sources(tmp_path / "data")
    assert text.main(["collect", str(tmp_path / "data"), str(tmp_path / "pairs")]) == 0
    images = FolderDataModule(str(tmp_path / "pairs"), classes=True, check=False)
    found = {split: images.find_images(split) for split in ("train", "val")}
    names = {
        split: [Path(source.path).parent.name for source in table.sources] for split, table in found.items()
    }
    assert Counter(names["val"]) == {"coco": 2, "coco_instances": 1}
    assert Counter(names["train"]) == {
        "coco": 8, "coco_instances": 4, "roads": 1, "clothes": 1, "photos": 1, "centered": 2
    }  # fmt: skip
    for source, word in (("coco", "car"), ("coco_instances", "cup"), ("clothes", "shirt"), ("roads", "car")):
        stored = found["train"].classes.sources[names["train"].index(source)]
        with Image.open(io.BytesIO(stored.read())) as classes:
            assert 1 + OBJECTS.index(word) in np.unique(np.array(classes))
    # the colors are predicted from the lightness, which is kept
    with Image.open(tmp_path / "data" / "coco_sample" / "images" / "0.jpg") as image:
        original = rgb_to_lab(torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 255)
    with Image.open(tmp_path / "pairs" / "train" / "coco" / "0.png") as image:
        colored = rgb_to_lab(torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 255)
    resized = F.interpolate(original, colored.shape[2:], mode="bicubic", antialias=True)
    error = (colored - resized).abs().mean(dim=(0, 2, 3))
    assert error[0] < 1.5
    assert error[1:].min() > 3.0


def test_the_detector_of_shots_learns_the_films_that_are_made(rebuild, tmp_path: Path) -> None:
    shots = importlib.import_module("benchmarks.rebuild.shots")
    images = write_sample_images(tmp_path / "photos", count=24, size=(96, 112))
    for number, path in enumerate(images[:16]):
        folder = tmp_path / "video" / shots.CLIPS[number % len(shots.CLIPS)]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}{Path(path).suffix}").write_bytes(Path(path).read_bytes())
    shots.KINDS = {"cut": 8, "dissolve": 8, "fade": 8}
    out = tmp_path / "shot_boundaries.safetensors"
    assert shots.main([str(tmp_path), str(out), "--seeds", "1", "--steps", "60"]) == 0
    content, included = (
        read_weights(path).state_dict for path in (out, EMBEDDED_FOLDER / "shot_boundaries.safetensors")
    )
    assert {name: value.shape for name, value in content.items()} == {
        name: value.shape for name, value in included.items()
    }


def test_drawings_are_unpacked_without_held_out_characters(rebuild, monkeypatch, tmp_path) -> None:
    drawings = importlib.import_module("benchmarks.rebuild.drawings")
    source, out = tmp_path / "source", tmp_path / "out"
    source.mkdir()
    rebuild.write_images("shards", source)
    with (source / "characters.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    rows[0]["group"] = next(name for name in map(str, range(99)) if drawings.is_held_out_group(name))
    with (source / "characters.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, rows[0])
        table.writeheader()
        table.writerows(rows)

    assert drawings.main([str(source), str(out)]) == 0
    images, lines = (
        {path.relative_to(out / "train" / kind) for path in (out / "train" / kind).rglob("*.webp")}
        for kind in ("images", "lines")
    )
    assert images == lines
    found = {path.parent.name for path in images}
    assert {"openmoji", "c_keri", "c_spritemaker", "c_spritemaker_recolored"} <= found
    assert f"c_{rows[0]['source']}" not in found
    assert len(list((out / "val" / "images").iterdir())) == len(list((out / "val" / "lines").iterdir())) > 0


def test_recolored_characters_keep_skin_paper_and_ink(rebuild) -> None:
    drawings = importlib.import_module("benchmarks.rebuild.drawings")
    rgb = np.full((40, 40, 3), 255, np.uint8)
    rgb[:10], rgb[10:20], rgb[20:30] = (0xF2, 0xD3, 0xB1), (30, 60, 200), (5, 5, 5)
    found = [drawings.recolor(rgb, rgb[0, 0], random.Random(seed)) for seed in range(4)]
    for image in found:
        kept = np.r_[0:10, 20:40]
        assert np.abs(image[kept].astype(int) - rgb[kept]).max() <= 1
    assert any(np.abs(image[10:20].astype(int) - rgb[10:20]).max() > 40 for image in found)


def test_resumed_rebuild_continues_from_the_folder_of_each_stage(rebuild, capsys) -> None:
    options = ["cho2023_small", "--dry-run", "--resume", "--out", "O", "--trainer.max_steps", "9"]
    assert rebuild.main(options) == 0
    commands = capsys.readouterr().out.splitlines()
    assert commands[-1].startswith("colorzoo weights convert")
    assert commands[-1].endswith("--overwrite")
    lines = [line for line in commands if line.startswith("colorzoo fit")]
    for number, line in enumerate(lines, 1):
        assert f"--ckpt_path O/{number} " in line
        assert line.endswith("--trainer.max_steps 9")
    assert len(lines) == 2


def test_folded_encoder_computes_convolutions_with_batch_norm(edit) -> None:
    encoder = ImageNetEncoder()
    published: dict[str, torch.Tensor] = {}

    def publish(name: str, norm: str, layer: nn.Conv2d, channels: int) -> None:
        out, width = layer.weight.shape[0], layer.weight.shape[1] if channels == 0 else channels
        published[f"{name}.weight"] = torch.randn(out, width, *layer.weight.shape[2:])
        for key, low in (("weight", 0.5), ("bias", -1.0), ("running_mean", -1.0), ("running_var", 0.1)):
            published[f"{norm}.{key}"] = low + torch.rand(out)

    publish("_conv_stem", "_bn0", encoder.stem, 3)
    publish("_conv_head", "_bn1", encoder.head, 0)
    blocks = [block for stage in encoder.stages for block in stage]
    for number, block in enumerate(blocks):
        for part, convolution, norm in (
            ("expand", "_expand_conv", "_bn0"),
            ("depthwise", "_depthwise_conv", "_bn1"),
            ("project", "_project_conv", "_bn2"),
        ):
            if isinstance(layer := getattr(block, part, None), nn.Conv2d):
                publish(f"_blocks.{number}.{convolution}", f"_blocks.{number}.{norm}", layer, 0)
    folded = edit.fold_encoder(published)
    assert folded.keys() == encoder.state_dict().keys()
    gray = torch.rand(1, 1, 8, 8)
    norm = [published[f"_bn0.{key}"] for key in ("running_mean", "running_var", "weight", "bias")]
    expected = F.batch_norm(
        F.conv2d(gray.expand(1, 3, 8, 8), published["_conv_stem.weight"]), *norm, eps=1e-3
    )
    found = F.conv2d(gray, folded["stem.weight"], folded["stem.bias"])
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_edits_scale_and_average_checkpoints(edit, tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.ckpt" for number in range(3)]
    for path, value in zip(paths, (1.0, 3.0), strict=False):
        tensors = {"model.a.weight": torch.full((2,), value), "model.steps": torch.tensor(int(value))}
        torch.save({"state_dict": tensors, "global_step": value}, path)
    assert edit.main(["average", str(paths[2]), str(paths[0]), str(paths[1])]) == 0
    merged = torch.load(paths[2], weights_only=True)
    assert merged["state_dict"]["model.a.weight"].tolist() == [2.0, 2.0]
    assert (merged["state_dict"]["model.steps"], merged["global_step"]) == (3, 3.0)
    assert edit.main(["scale", str(paths[2]), str(paths[2]), "a.*", "0.5"]) == 0
    assert torch.load(paths[2], weights_only=True)["state_dict"]["model.a.weight"].tolist() == [1.0, 1.0]
    edit.merge(paths[1], paths[2], paths[1], "a.weight")
    copied = torch.load(paths[1], weights_only=True)
    assert copied["state_dict"]["model.a.weight"].tolist() == [1.0, 1.0]
    assert copied["global_step"] == 3.0
    with pytest.raises(ValueError, match="must match a weight"):
        edit.scale(paths[2], paths[2], "b.*", 0.5)


def test_kept_tensors_are_not_stored_in_8_bits(tmp_path: Path) -> None:
    tensors = {"head.weight": 100 * torch.randn(64, 64), "body.weight": torch.randn(64, 64)}
    save_weights(tmp_path / "a.safetensors", tensors, {}, dtype="int8", keep=["head.weight"])
    found = read_weights(tmp_path / "a.safetensors").state_dict
    assert torch.equal(found["head.weight"], tensors["head.weight"].half())
    assert not torch.equal(found["body.weight"], tensors["body.weight"].half())
