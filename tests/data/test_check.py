"""Image check before training, which decodes each image once for all runs."""

import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from runs import colorful

from colorzoo.apps.cli.main import main
from colorzoo.color import lab_to_rgb
from colorzoo.data import FolderDataModule, check
from colorzoo.data.decode import decode_classes, decode_rgb
from odd_inputs import bomb

SMALL = {"batch_size": 2, "crop": 16, "val_size": 16, "num_workers": 0}


@pytest.fixture
def root(tmp_path, monkeypatch) -> Path:
    """Six training images, of which one is gray and one is broken, and two validation images."""
    monkeypatch.setenv("COLORZOO_HOME", str(tmp_path / "home"))
    rng = np.random.default_rng(0)
    for name in ("train/0.png", "train/1.png", "train/2.png", "train/3.png", "val/0.png", "val/1.png"):
        path = tmp_path / "root" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        colorful(rng).save(path)
    Image.new("RGB", (40, 40), (9, 9, 9)).save(tmp_path / "root" / "train" / "gray.png")
    whole = (tmp_path / "root/train/0.png").read_bytes()
    (tmp_path / "root/train/broken.png").write_bytes(whole[: len(whole) // 2])
    return tmp_path / "root"


@pytest.fixture
def decodes(monkeypatch):
    """Return a function that counts the decodes of the check since the last call."""
    sizes = []

    def count() -> int:
        found = len(sizes)
        sizes.clear()
        return found

    monkeypatch.setattr(check, "decode_rgb", lambda data, **more: sizes.append(1) or decode_rgb(data, **more))
    return count


def training_images(root: Path, **options) -> list[str]:
    data = FolderDataModule(str(root), **SMALL, **options)
    data.prepare_data()
    data.setup("fit")
    return [Path(each.name).name for each in data.train_data.sources]


def test_check_decodes_only_broken_images_again(root, decodes, caplog):
    FolderDataModule(str(root), **SMALL).prepare_data()
    assert decodes() == 8
    first = training_images(root)
    assert first == ["0.png", "1.png", "2.png", "3.png"]
    assert "broken.png" in caplog.text
    assert "gray.png" in caplog.text
    assert "object at 0x" not in caplog.text
    assert decodes() == 1  # broken images are decoded again, because the disk may have failed
    assert training_images(root, drop_gray=False) == [*first, "gray.png"]
    assert decodes() == 1


def test_training_and_evaluation_continue_with_odd_files(root, capsys, caplog):
    """The EXIF of one photo has a text as GPSVersionID; two files declare 3,600 and 400 megapixels."""
    gps = struct.pack("<HHHIII", 1, 0, 2, 8, 56, 0) + b"2.2.0.0\0"
    exif = b"II*\0" + struct.pack("<IHHHIHHHHIII", 8, 2, 274, 3, 1, 6, 0, 0x8825, 4, 1, 38, 0) + gps
    Image.open(root / "train/0.png").save(root / "train/gps.jpg", exif=b"Exif\0\0" + exif)
    Image.new("1", (20_000, 20_000)).save(root / "train/huge.png")
    (root / "train/bomb.png").write_bytes(bomb())
    bad = {"bomb.png", "huge.png", "broken.png"}
    found = {*training_images(root, drop_gray=False)}
    assert found == {"0.png", "1.png", "2.png", "3.png", "gray.png", "gps.jpg"}
    for name in bad:
        assert name in caplog.text
    report = root.parent / "report"
    words = ["--models", "gray", "--data", str(root), "-o", str(report), "--metrics", "psnr"]
    assert main(["evaluate", *words]) == 1
    assert (report / "results.json").is_file()
    errors = capsys.readouterr().err
    assert all(f"skipped: train/{name}" in errors for name in bad)


@pytest.mark.parametrize("size", [(10_000, 2), (2, 10_000)])
def test_thin_images_are_cropped_before_they_are_enlarged(tmp_path, size):
    """Without the crop, the enlarged image has 220 x 1,100,000 pixels."""
    shades = np.linspace(0, 255, max(size)).astype(np.uint8)
    line = shades[None].repeat(2, 0) if size[0] > size[1] else shades[:, None].repeat(2, 1)
    Image.fromarray(line).save(tmp_path / "0.png")
    rgb = decode_rgb((tmp_path / "0.png").read_bytes(), 220)
    assert min(rgb.shape[1:]) == 220
    assert rgb.numel() < 10_000_000
    assert abs(rgb.float().mean() - 127.5) < 1  # the center of the image
    classes = decode_classes((tmp_path / "0.png").read_bytes(), (rgb.shape[2], rgb.shape[1]))
    assert np.abs(classes.astype(int) - rgb[0].numpy()).max() <= 2


def test_check_result_summary_names_five_images_of_each_kind():
    names = [f"{index}.png" for index in range(6)]
    result = check.CheckResult(torch.zeros(0), [(name, "cut") for name in names], names)
    broken, gray = result.summary().splitlines()
    assert [name in broken for name in names] == [name in gray for name in names] == [True] * 5 + [False]


def test_bounded_map_keeps_the_order_and_limits_read_ahead():
    taken = []
    results = check.bounded_map(lambda item: 2 * item, (taken.append(i) or i for i in range(40)), 2)
    assert next(results) == 0
    assert len(taken) <= 8 * 2 + 1
    assert list(results) == list(range(2, 80, 2))


@pytest.mark.parametrize(
    ("a", "b", "gray"), [(2.2, 2.2, True), (2.9, 2.9, False), (4.4, 0, True), (0, 5.8, False)]
)
def test_is_gray_requires_a_span_below_five_units(a, b, gray):
    lab = torch.tensor([[60.0, 60.0], [0.0, a], [0.0, b]])[..., None]
    assert check.is_gray((lab_to_rgb(lab) * 255).round().byte()) == gray


def test_interrupted_check_resumes(root, decodes, monkeypatch):
    check_image, checked = check.check_image, []

    def interrupted(source):
        checked.append(source)
        if len(checked) == 5:
            raise KeyboardInterrupt
        return check_image(source)

    monkeypatch.setattr(check, "bounded_map", lambda function, items, _: map(function, items))
    monkeypatch.setattr(check, "check_image", interrupted)
    with pytest.raises(KeyboardInterrupt):
        training_images(root)
    assert decodes() == 4
    monkeypatch.setattr(check, "check_image", check_image)
    assert training_images(root) == ["0.png", "1.png", "2.png", "3.png"]
    assert decodes() == 4
