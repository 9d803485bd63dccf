import io
import json
import shutil
import tarfile
from unittest.mock import ANY

import cv2
import miniatures
import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from colorzoo.cli.main import main
from colorzoo.color import lab_to_rgb
from colorzoo.data.verify import (
    check_layout,
    detect_layout,
    examine,
    verify,
)


def encoded(image, kind="PNG", **options):
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def photo(mode="RGB", size=(96, 80)):
    with Image.open(miniatures.IMAGES[0]) as image:
        return image.convert("RGB").resize(size).convert(mode)


def two_tones(apart):
    """Return an image whose chroma follows the lightness, with a shift of a, left and right."""
    shade = torch.linspace(20, 80, 64).view(64, 1).expand(64, 64)
    side = torch.tensor([-apart, apart]).repeat_interleave(32)
    lab = torch.stack([shade, 0.2 * shade + side, 0.3 * shade])
    return Image.fromarray((lab_to_rgb(lab).permute(1, 2, 0) * 255).round().byte().numpy())


def sixteen_bits(mode, suffix):
    return cv2.imencode(suffix, np.asarray(photo(mode)).astype(np.uint16) * 257)[1].tobytes()


def profile(name):
    return ImageCms.ImageCmsProfile(ImageCms.createProfile(name)).tobytes()


NO_COLOR = {"gray": "no color to learn"}
ODD = {
    "plain.jpg": (encoded(photo(), "JPEG"), {}),
    "empty.jpg": (b"", {"broken": "empty file"}),
    "text.jpg": (b"no image at all", {"broken": "unknown image format"}),
    "cut.jpg": (encoded(photo(), "JPEG")[:-600], {"broken": ANY}),
    "png.jpg": (encoded(photo()), {"wrong extension": "PNG named .jpg"}),
    "gray.png": (encoded(photo("L")), NO_COLOR),
    "rgb_gray.png": (encoded(photo("L").convert("RGB")), NO_COLOR),
    "sepia.png": (encoded(two_tones(1.8)), {"toned": "one hue, such as sepia"}),
    "two_hues.png": (encoded(two_tones(2.2)), {}),
    "flat.png": (encoded(Image.new("RGB", (80, 80), "#0000ff")), {"flat": "one color, #0000ff"}),
    "cmyk.jpg": (encoded(photo("CMYK"), "JPEG"), {"CMYK": "converted"}),
    "palette.png": (encoded(photo().quantize(64)), {"palette": "at most 256 colors"}),
    "alpha.png": (encoded(photo("RGBA")), {"alpha": "transparent parts are composited on white"}),
    "bit.png": (encoded(photo("1")), {"1-bit": "black and white only", **NO_COLOR}),
    "deep.png": (sixteen_bits("L", ".png"), {"16-bit": "used at 8 bits", **NO_COLOR}),
    "deep_color.png": (sixteen_bits("RGB", ".png"), {"16-bit": "used at 8 bits"}),
    "deep_color.tif": (sixteen_bits("RGB", ".tif"), {"16-bit": "used at 8 bits"}),
    "moving.png": (
        encoded(photo(), save_all=True, append_images=[photo().rotate(9)]),
        {"animated": "2 frames, the first is used"},
    ),
    "phone.jpg": (encoded(photo(), "MPO", save_all=True, append_images=[photo()]), {}),
    "tiny.png": (encoded(photo(size=(90, 63))), {"tiny": "90 x 63"}),
    "strip.png": (encoded(photo(size=(64, 321))), {"strip": "64 x 321"}),
    "broad.png": (encoded(photo(size=(320, 64))), {}),
    "srgb.jpg": (encoded(photo(), "JPEG", icc_profile=profile("sRGB")), {}),
    "lab.png": (
        encoded(photo(), icc_profile=profile("LAB")),
        {"profile": "Lab identity built-in; training reads the values as sRGB"},
    ),
    "damaged.png": (
        encoded(photo(), icc_profile=b"nonsense"),
        {"profile": "damaged color profile; training reads the values as sRGB"},
    ),
    "exif.jpg": (
        encoded(photo(), "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\x09\0\x12\x01"),
        {"damaged EXIF": "Corrupt EXIF data. Expecting to read 12 bytes but only got 2."},
    ),
}


def test_unusual_files_are_named():
    found = {name: dict(examine(name, data).facts) for name, (data, _) in ODD.items()}
    assert found == {name: facts for name, (_, facts) in ODD.items()}


def test_the_report_counts_groups_and_finds_leaks(tmp_path):
    root = miniatures.folder(tmp_path, train=3, val=2)
    shutil.copy(root / "train" / "0.jpg", root / "val" / "again.jpg")
    with Image.open(root / "train" / "1.jpg") as image:
        image.save(root / "train" / "1b.jpg", quality=60)
    with tarfile.open(root / "val" / "more.tar", "w") as tar:
        tar.add(miniatures.write_image(tmp_path.parent / "tall.jpg", 7, (66, 100)), "tall.jpg")
    for name, data in {
        "list.txt": b"words",
        "readme": b"",
        "cut.png": ODD["cut.jpg"][0],
        "cut.tar": b"no tar",
    }.items():
        (root / "train" / name).write_bytes(data)
    Image.new("RGB", (64, 64), "red").save(root / "train" / "plain.gif")
    ticks = []
    report = verify(root, threads=2, tick=lambda: ticks.append(1))
    assert report.images == len(ticks) == 10
    images = [path for path in root.rglob("*.*") if path.suffix not in (".txt", ".tar")]
    assert report.bytes == sum(path.stat().st_size for path in [*images, tmp_path.parent / "tall.jpg"])
    assert report.layout.name == "folder"
    assert (report.width, report.height) == ((64, 72, 72), (56, 56, 100))
    assert report.formats == {"JPEG": 8, "GIF": 1, "none": 1}
    assert report.other_files == {".txt": 1, "none": 1}
    assert report.duplicates == [["train/0.jpg", "val/again.jpg"]]
    assert report.layout.notes[-1].startswith("1 images are in train and in val: ")
    assert {(found.path, found.kind) for found in report.findings} == {
        *(("train/cut.png", "broken"), ("train/cut.tar", "broken"), ("train/plain.gif", "not read")),
        *(("train/plain.gif", "palette"), ("train/plain.gif", "flat")),
        *(
            (f"{name}.jpg", "tiny")
            for name in ("train/0", "train/1", "train/1b", "train/2", "val/0", "val/1", "val/again")
        ),
    }


def test_verify_prints_json_and_its_exit_code_reports_broken_files(tmp_path, capsys):
    root = miniatures.folder(tmp_path, train=2, val=1)
    assert main(["data", "verify", str(root)]) == 0
    (root / "train" / "empty.jpg").write_bytes(b"")
    capsys.readouterr()
    assert main(["data", "verify", str(root), "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["broken"] is True
    assert {"path": "train/empty.jpg", "kind": "broken", "detail": "empty file"} in report["findings"]
    assert main(["data", "verify", str(root / "none")]) == 2
    assert main(["data", "verify", str(root), "--layout", "cifar"]) == 2


@pytest.mark.parametrize(
    ("words", "option"),
    [
        ("prior d -o p.txt", "p.txt"),
        ("prior d -o there.npy", "--overwrite"),
        ("prior d -o p.npy --threads 0", "threads"),
        ("shard d o --quality 101", "quality"),
        *((f"shard d o --val-fraction {share}", "val-fraction") for share in ("0", "x")),
    ],
)
def test_invalid_options_raise_one_line(here, refused, words, option):
    (here / "there.npy").touch()
    assert option in refused("data", *words.split())


def challenge(root):
    miniatures.places365_listed(root, "challenge")
    (root / "data_256").rename(root / "data_256_challenge")
    return root


@pytest.mark.parametrize(
    ("make", "name", "official"),
    [
        (miniatures.imagenet, "imagenet", ("1,281,167", "50,000", 1000)),
        (miniatures.places205, "places205", ("2,448,873", "20,500", 205)),
        (miniatures.places365_easy, "places365", ("1,803,460", "36,500", 365)),
        (miniatures.places365_listed, "places365", ("1,803,460", "36,500", 365)),
        (challenge, "places365-challenge", ("8,026,628", "36,500", 365)),
        (miniatures.coco_stuff, "coco_stuff", ("118,287", "5,000", None)),
        (miniatures.folder, "folder", None),
    ],
)
def test_layouts_are_detected_and_miniatures_have_no_mistakes(tmp_path, make, name, official):
    root = make(tmp_path)
    assert detect_layout(root) == name
    report = check_layout(root)
    assert (report.name, report.mistakes, set(report.splits)) == (name, [], {"train", "val"})
    notes = []
    for split, of in zip(("train", "val"), official or (), strict=False):
        notes.append(f"{split}: {report.splits[split]} images, the official set has {of}")
        if official[2]:
            notes.append(
                f"{split}: {3 if name == 'imagenet' else 2} classes, the official set has {official[2]}"
            )
    assert report.notes == notes
