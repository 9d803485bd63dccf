"""Sketches extracted from images, and sketch files in the layouts of the papers."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from runs import colorful

from colorzoo.color import rgb_to_gray, xdog
from colorzoo.color.sketch import canny_sketch
from colorzoo.data import SketchDataModule
from colorzoo.errors import DataError


def data(root: Path, **overrides) -> SketchDataModule:
    base = {"batch_size": 4, "crop": 24, "val_size": 32, "num_workers": 0}
    return SketchDataModule(str(root), **{**base, **overrides})


def save_pair(color: Path, *sketches: Path, rng: np.random.Generator) -> None:
    """Save an image, and its inverted gray image as sketches, so that a test can match them."""
    image = colorful(rng)
    for path in (color, *sketches):
        path.parent.mkdir(parents=True, exist_ok=True)
    image.save(color)
    for path in sketches:
        ImageOps.invert(image.convert("L")).save(path)


@pytest.fixture
def guidingpainter(tmp_path) -> Path:
    rng = np.random.default_rng(0)
    for split, count in (("train", 5), ("val", 2)):
        for index in range(count):
            save_pair(
                tmp_path / split / "color" / f"{index}.png",
                tmp_path / split / "sketch" / f"{index}.png",
                rng=rng,
            )
    return tmp_path


@pytest.fixture
def tag2pix(tmp_path) -> Path:
    rng = np.random.default_rng(0)
    for index in range(5):
        drawn = [tmp_path / f"{kind}_train" / f"{index}.png" for kind in ("keras", "xdog")]
        save_pair(tmp_path / "rgb_train" / f"{index}.png", *drawn, rng=rng)
    save_pair(tmp_path / "benchmark" / "9.png", tmp_path / "keras_test" / "9.png", rng=rng)
    return tmp_path


def test_sketch_module_extracts_xdog_sketches_of_three_widths(classes_folder) -> None:
    module = data(classes_folder)
    module.setup("fit")
    assert len(module.train_data) == 41  # the broken and the gray image are excluded
    batch = module.on_after_batch_transfer(next(iter(module.val_dataloader())), 0)
    assert batch["sketch"].shape == (5, 1, 32, 32)
    assert torch.equal(batch["sketch"], xdog(rgb_to_gray(batch["rgb"]), 0.4))
    rgb = torch.rand(64, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    drawn = module.complete({"rgb": rgb, "seed": torch.arange(64)}, training=True)["sketch"]
    widths = [(drawn == xdog(rgb_to_gray(rgb), sigma)).flatten(1).all(1) for sigma in (0.3, 0.4, 0.5)]
    assert all(10 < width.sum() < 40 for width in widths)  # the three widths have similar frequencies


def test_sketch_module_applies_custom_extraction_before_color_jitter(classes_folder) -> None:
    rgb = torch.rand(32, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    batch = {"rgb": rgb, "seed": torch.arange(32)}
    module = data(classes_folder, extract=canny_sketch, jitter=True)
    first, again = (module.complete(dict(batch), training=True) for _ in range(2))
    assert torch.equal(first["sketch"], canny_sketch(rgb))  # computed from the original colors
    moved = (first["rgb"] - rgb).abs().flatten(1).amax(1) > 1e-3
    assert 12 < moved.sum() < 32  # expected: three quarters
    assert 0 <= first["rgb"].min() <= first["rgb"].max() <= 1
    assert torch.equal(first["rgb"], again["rgb"])
    assert torch.equal(module.complete(dict(batch), training=False)["rgb"], rgb)


@pytest.mark.parametrize("layout", ["guidingpainter", "tag2pix"])
def test_sketch_module_augments_sketches_with_their_images(layout, request) -> None:
    module = data(request.getfixturevalue(layout))
    module.setup("fit")
    for batch in (next(iter(module.train_dataloader())), next(iter(module.val_dataloader()))):
        batch = {**batch, "rgb": batch["rgb"].float() / 255, "sketch": batch["sketch"].float() / 255}
        moved = module.augment(batch)
        assert moved["sketch"].shape == (len(batch["rgb"]), 1, 24, 24)
        for each in (batch, moved):
            assert (each["sketch"] + rgb_to_gray(each["rgb"]) - 1).abs().max() < 0.02
    assert module.complete(moved, training=True) is moved


@pytest.fixture
def drawings(tmp_path) -> Path:
    """Folders ``images`` and ``lines``; half of the images have lines, which are blank except for a bar."""
    rng = np.random.default_rng(0)
    lines = Image.new("L", (48, 48), 255)
    lines.paste(0, (0, 20, 48, 28))
    for split, count in (("train", 8), ("val", 4)):
        for index in range(count):
            group = f"{'books' if index % 4 < 2 else 'games'}/" if split == "train" else ""
            image = tmp_path / split / "images" / f"{group}{index}.png"
            image.parent.mkdir(parents=True, exist_ok=True)
            colorful(rng).save(image)
            if index % 2:
                drawn = tmp_path / split / "lines" / f"{group}{index}.png"
                drawn.parent.mkdir(parents=True, exist_ok=True)
                lines.save(drawn)
    return tmp_path


def is_bar(sketch: torch.Tensor) -> torch.Tensor:
    """Return whether each sketch is the bar of the fixture ``drawings``, with noise or gaps."""
    half = sketch.shape[2] // 2
    white = torch.cat([sketch[:, :, : half - 8], sketch[:, :, half + 8 :]], dim=2)
    ink = sketch[:, :, half - 2 : half + 2]
    return (white.flatten(1).median(1).values > 0.8) & (ink.flatten(1).median(1).values < 0.6)


def test_drawings_layout_uses_drawn_lines_where_they_exist(drawings) -> None:
    module = data(drawings, lines="drawn", val_size=48, crop=48, resize=48, min_scale=1.0)
    module.setup("fit")
    assert len(module.train_data) == 8
    batch = module.on_after_batch_transfer(next(iter(module.val_dataloader())), 0)
    assert is_bar(batch["sketch"]).tolist() == [False, True, False, True]
    sketch = torch.ones(400, 1, 48, 48)
    sketch[:, :, 20:28] = 0
    batch = {
        "rgb": torch.full((400, 3, 48, 48), 0.5),
        "sketch": sketch,
        "has_sketch": torch.arange(400) % 2 == 0,
        "seed": torch.arange(400),
    }
    used = is_bar(module.complete(batch, training=True)["sketch"])
    assert not used[1::2].any()  # the sketch of an image without a file is computed
    assert 0.68 < used[::2].float().mean() < 0.82


def test_drawings_layout_also_computes_lines_if_every_image_has_drawn_lines(drawings) -> None:
    for image in [*drawings.glob("train/images/*/[0246].png"), *drawings.glob("val/images/[02].png")]:
        image.unlink()
    module = data(drawings, lines="drawn", batch_size=1, crop=48, resize=48, min_scale=1.0)
    module.setup("fit")
    (sample,) = list(module.train_dataloader())[:1]
    assert sample["has_sketch"].all()
    batch = {"rgb": sample["rgb"].repeat(200, 1, 1, 1) / 255, "seed": torch.arange(200)}
    files = {key: sample[key].repeat(200, *[1] * (sample[key].ndim - 1)) for key in ("sketch", "has_sketch")}
    batch |= {**files, "sketch": files["sketch"] / 255}
    used = is_bar(module.complete(batch, training=True)["sketch"])
    assert 0.65 < used.float().mean() < 0.85
    assert is_bar(module.complete(batch, training=False)["sketch"]).all()


def test_drawings_layout_balances_classes_and_predicts_from_drawn_lines(drawings) -> None:
    shutil.rmtree(drawings / "train/images/games")
    Image.new("RGB", (48, 48), "red").save(drawings / "train/images/books/9.png")
    (drawings / "train/images/games").mkdir()
    colorful(np.random.default_rng(1)).save(drawings / "train/images/games/0.png")
    module = data(drawings, layout="drawings", labels=True, class_power=0.0)
    module.setup("fit")
    weights = module.sample_weights()
    games = torch.tensor(["games" in source.name for source in module.train_data.sources])
    assert weights[games].sum() == pytest.approx(weights[~games].sum())
    assert sorted(Path(each.name).name for each in module.originals().sources) == ["1.png", "3.png"]
    samples = [module.train_data[index, 0] for index in range(len(games))]
    assert [int(sample["label"]) for sample in samples] == games.int().tolist()
    with pytest.raises(DataError, match="labels must be false"):
        data(drawings, layout="pairs", labels=True).setup("fit")


def test_lines_drawn_replaces_xdog_for_a_folder_of_images(classes_folder) -> None:
    module = data(classes_folder, lines="drawn")
    rgb = torch.full((64, 3, 16, 16), 0.3)
    rgb[..., 8:] = torch.tensor([0.2, 0.1, 0.4])[:, None, None]
    batch = {"rgb": rgb, "seed": torch.arange(64)}
    dark = module.complete(batch, training=False)["sketch"]
    assert (dark[..., 12:] == 1).all()  # XDoG would be black
    trained = module.complete(batch, training=True)["sketch"]
    assert len({each.sum().item() for each in trained}) > 32


@pytest.mark.parametrize(("level", "paper"), [(0, 255), (255, 0)])
def test_sketch_module_composites_transparent_line_art_on_paper(level: int, paper: int, tmp_path) -> None:
    ink = Image.new("RGBA", (48, 48), (level, level, level, 0))
    ink.paste((level, level, level, 255), (10, 0, 20, 48))
    for split in ("train", "val"):
        for kind, image in (("color", colorful(np.random.default_rng(0))), ("sketch", ink)):
            (tmp_path / split / kind).mkdir(parents=True)
            image.save(tmp_path / split / kind / "a.png")
    module = data(tmp_path, val_size=48)
    module.setup("validate")
    (sketch,) = next(iter(module.val_dataloader()))["sketch"]
    assert sketch[0, 5].tolist() == [paper] * 10 + [level] * 10 + [paper] * 28


@pytest.mark.parametrize(
    ("layout", "remove", "words"),
    [
        ("guidingpainter", lambda root: (root / "train/sketch/3.png").unlink(), "3.png' has no sketch"),
        ("tag2pix", lambda root: shutil.rmtree(root / "keras_test"), "keras_test' does not exist"),
    ],
)
def test_sketch_module_raises_one_line_error_for_missing_sketches(layout, remove, words, request) -> None:
    root = request.getfixturevalue(layout)
    remove(root)
    with pytest.raises(DataError, match=words) as caught:
        data(root).setup("fit")
    assert "\n" not in str(caught.value)
