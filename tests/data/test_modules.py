"""Each DataModule on a miniature data set: batch format, aligned crops and error messages."""

import io
from pathlib import Path

import miniatures
import numpy as np
import pytest
import torch
from lightning.pytorch import Trainer
from PIL import Image, ImageOps

from colorzoo.data import CocoStuffDataModule, FolderDataModule, ImageNetDataModule, PlacesDataModule
from colorzoo.data.dataset import ImageDataset
from colorzoo.data.decode import decode_classes, decode_frame, decode_rgb, decoded_boxes
from colorzoo.data.image_table import BoxTable, ImageTable
from colorzoo.data.sources import find_sources
from colorzoo.errors import DataError
from colorzoo.factory import build_model
from colorzoo.registry import load_task_class, model_card

SMALL = {"batch_size": 2, "crop": 32, "resize": 40, "val_size": 32, "val_batch_size": 2, "num_workers": 0}
MODULES = {
    "folder": lambda root, **more: FolderDataModule(str(miniatures.folder(root)), **{**SMALL, **more}),
    "imagenet": lambda root, **more: ImageNetDataModule(
        str(miniatures.imagenet(root)), labels=True, **{**SMALL, **more}
    ),
    "places205": lambda root, **more: PlacesDataModule(
        str(miniatures.places205(root)), edition="205", labels=True, **{**SMALL, **more}
    ),
    "places365": lambda root, **more: PlacesDataModule(
        str(miniatures.places365_easy(root)), **{**SMALL, **more}
    ),
    "coco_stuff": lambda root, **more: CocoStuffDataModule(
        str(miniatures.coco_stuff(root)), boxes=True, classes=True, **{**SMALL, **more}
    ),
}
COUNTS = {"imagenet": (3, 0), "places205": (205, 0), "coco_stuff": (0, 184)}  # numbers of labels and classes


def quiet_trainer(folder: Path, **more) -> Trainer:
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
    return Trainer(accelerator="cpu", logger=False, default_root_dir=folder, **quiet, **more)


def test_fit_raises_if_class_counts_of_task_and_data_differ(tmp_path):
    card = model_card("iizuka2016")
    task = build_model(load_task_class(card), {**card.contract_test.hparams, "classes": 2})
    miniatures.imagenet(tmp_path)
    for labels, count in ((True, 3), (False, 0)):
        data = ImageNetDataModule(str(tmp_path), labels=labels, **SMALL)
        with pytest.raises(DataError, match=rf"--model.classes {count}"):
            quiet_trainer(tmp_path, max_steps=1).fit(task, data)


@pytest.mark.parametrize("name", MODULES)
def test_data_modules_return_batches_in_the_documented_format(tmp_path, name):
    data = MODULES[name](tmp_path)
    assert (data.label_count, data.class_count) == COUNTS.get(name, (0, 0))
    data.trainer = quiet_trainer(tmp_path)
    data.setup("fit")
    raw = next(iter(data.train_dataloader()))
    assert raw["rgb"].dtype == torch.uint8
    assert raw["rgb"].shape == (2, 3, 40, 40)
    data.trainer.training = True
    batch = data.on_after_batch_transfer(raw, 0)
    assert batch["rgb"].shape == (2, 3, 32, 32)
    assert batch["rgb"].dtype == torch.float32
    assert 0 <= batch["rgb"].min() < batch["rgb"].max() <= 1
    assert torch.equal(data.on_after_batch_transfer(raw, 0)["rgb"], batch["rgb"])
    data.trainer.validating = True
    torch.testing.assert_close(data.on_after_batch_transfer(raw, 0)["rgb"] * 255, raw["rgb"].float())
    assert len(batch["name"]) == 2
    if name in ("imagenet", "places205"):
        assert batch["label"].dtype == torch.int64
        assert batch["label"].shape == (2,)
    if name == "coco_stuff":
        assert batch["classes"].shape == (2, 1, 32, 32)
        assert batch["classes"].dtype == torch.uint8
        assert set(batch["classes"].unique().tolist()) <= {0, 3}
        assert all(boxes.shape[1:] == (4,) for boxes in batch["boxes"])


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("model_name", "name"), [("su2020", "coco_stuff"), ("yin2021", "imagenet"), ("iizuka2016", "imagenet")]
)
def test_models_with_extra_columns_train_one_step_and_validate(tmp_path, model_name, name):
    card = model_card(model_name)
    model = build_model(load_task_class(card), {**card.hparams, **card.contract_test.hparams})
    model.allow_untrained = True  # a short run has no weights for the frozen modules of the paper
    trainer = quiet_trainer(tmp_path, max_epochs=1, limit_train_batches=1, limit_val_batches=1)
    crop = card.contract_test.size  # some discriminators require more pixels than others
    trainer.fit(model, MODULES[name](tmp_path, crop=crop, resize=crop * 5 // 4))
    assert trainer.fit_loop.epoch_loop.batch_idx == 0  # one batch; two optimizers count two steps
    assert trainer.global_step >= 1
    assert any(key.startswith("val/") for key in trainer.callback_metrics)


def test_coco_stuff_augmentation_aligns_classes_and_boxes_with_images(tmp_path):
    """The upper left of each image is red and has a class and a box."""
    root = miniatures.coco_stuff(tmp_path)
    for path in (root / "train2017").iterdir():
        image = Image.new("RGB", (72, 56), "blue")
        image.paste("red", (0, 0, 36, 42))
        image.save(path, quality=95, subsampling=0)
    data = CocoStuffDataModule(str(root), boxes=True, classes=True, min_scale=0.5, **SMALL)
    data.trainer = quiet_trainer(tmp_path)
    data.setup("fit")
    data.trainer.training = True
    boxes = 0
    for raw in [*data.train_dataloader(), *data.train_dataloader()]:
        batch = data.on_after_batch_transfer(raw, 0)
        red = batch["rgb"][:, 0] > 0.5
        assert (red == (batch["classes"][:, 0] == 3)).float().mean() > 0.96
        for marked, corners in zip(red, batch["boxes"], strict=True):
            for left, top, right, bottom in corners.round().long().tolist():
                inside = marked[top:bottom, left:right]
                assert inside.float().mean() > 0.9
                assert marked.sum() - inside.sum() < 60  # at most one blended line beside the box
                boxes += 1
    assert boxes


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_turns_boxes_and_class_maps_with_the_image(tmp_path, orientation):
    """The annotations mark the red part of the stored pixels."""
    root = miniatures.coco_stuff(tmp_path)
    for path in (root / "train2017").iterdir():
        image = Image.new("RGB", (72, 56), "blue")
        image.paste("red", (0, 0, 36, 42))
        exif = Image.Exif()
        exif[0x0112] = orientation
        image.save(path, quality=95, subsampling=0, exif=exif)
        red = np.array(ImageOps.exif_transpose(Image.open(path)))[..., 0] > 127
        assert torch.equal(decode_rgb(path.read_bytes())[0] > 127, torch.from_numpy(red))
    data = CocoStuffDataModule(str(root), boxes=True, classes=True, **{**SMALL, "num_workers": 0})
    data.setup("fit")
    for index in range(len(data.train_data)):
        sample = data.train_data[index, index]
        red = sample["rgb"][0] > 127
        assert (red == (sample["classes"][0] == 3)).float().mean() > 0.94
        for left, top, right, bottom in sample["boxes"].round().long().tolist():
            assert red[top:bottom, left:right].float().mean() > 0.9
            assert red.sum() - red[top:bottom, left:right].sum() < 90


@pytest.mark.parametrize("orientation", [1, 6])
def test_boxes_of_thin_images_mark_the_same_pixels_after_the_crop(tmp_path, orientation):
    image = Image.new("L", (1000, 20))
    image.paste(255, (520, 5, 560, 15))
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.save(tmp_path / "0.png", exif=exif)
    box = torch.tensor([[520 / 1000, 5 / 20, 560 / 1000, 15 / 20]])
    images = ImageTable(find_sources(tmp_path), boxes=BoxTable.of([box]))
    for seed in range(30):
        sample = ImageDataset(images, side=60, random_crop=True)[0, seed]
        marked = torch.zeros(60, 60, dtype=torch.bool)
        for left, top, right, bottom in sample["boxes"].round().long().tolist():
            marked[top:bottom, left:right] = True
        assert (marked ^ (sample["rgb"][0] > 127)).sum() <= 30  # a line of pixels at the side of the box


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_annotations_of_thin_images_follow_the_crop_of_an_odd_number_of_pixels(orientation, kind):
    """The turned image is cropped, so one more pixel is removed at the end of the turned image."""
    width, height = 1001, 20
    stored = Image.new("L", (width, height))
    stored.paste(255, (520, 5, 560, 15))
    exif = Image.Exif()
    exif[0x0112] = orientation
    image, class_map = io.BytesIO(), io.BytesIO()
    stored.save(image, kind, exif=exif)
    stored.save(class_map, "PNG")

    decoded = decode_rgb(image.getvalue(), height)[0]
    rows, columns = decoded.shape
    frame = decode_frame(image.getvalue())
    assert frame == ((width, height), orientation)
    classes = decode_classes(class_map.getvalue(), (columns, rows), orientation)
    np.testing.assert_array_equal(classes, decoded)

    box = torch.tensor([[520 / width, 5 / height, 560 / width, 15 / height]])
    decoded_box = decoded_boxes(box, frame)[0]
    box_pixels = decoded_box * torch.tensor([columns, rows]).repeat(2)
    marked_rows, marked_columns = torch.nonzero(decoded).T
    left, right = marked_columns.min(), marked_columns.max() + 1
    top, bottom = marked_rows.min(), marked_rows.max() + 1
    expected = torch.stack([left, top, right, bottom]).float()
    torch.testing.assert_close(box_pixels, expected, atol=0.01, rtol=0)


@pytest.mark.parametrize("workers", [0, 1])
def test_data_module_raises_one_line_error_for_broken_images(tmp_path, workers):
    data = MODULES["imagenet"](tmp_path, check=False)
    data.hparams.num_workers = workers
    next((tmp_path / "val").rglob("*_00000003.JPEG")).write_bytes(b"broken")
    data.setup("validate")
    with pytest.raises(
        DataError, match=r"^'.*00000003.JPEG' cannot be decoded .*colorzoo data verify"
    ) as caught:
        list(data.val_dataloader())
    assert "\n" not in str(caught.value)


def test_decode_rgb_applies_orientation_and_bit_depth():
    exif = Image.Exif()
    exif[274] = 6
    wide = Image.new("RGB", (80, 40), "blue")
    wide.paste("red", (0, 0, 40, 40))
    for kind in ("JPEG", "PNG", "TIFF"):
        stream = io.BytesIO()
        wide.save(stream, kind, exif=exif)
        tall = decode_rgb(stream.getvalue(), 20)
        assert tall.shape == (3, 40, 20), kind
        assert tall[0, :18].min() > 200, kind  # the left side is now the top
        assert tall[0, 22:].max() < 55, kind
    for stored, level in ((0x8000, 0x80), (0x101, 1), (0xFF, 1)):
        stream = io.BytesIO()
        Image.fromarray(np.full((8, 8), stored, np.uint16)).save(stream, "PNG")
        assert decode_rgb(stream.getvalue()).unique().tolist() == [level]
