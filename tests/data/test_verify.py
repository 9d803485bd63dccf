import io
import json
import shutil

import miniatures
import numpy as np
import pytest
from PIL import Image

from colorzoo.cli.main import main
from colorzoo.data.verify import check_layout, detect_layout, examine, near_groups, verify
from colorzoo.errors import DataError


def encoded(image, kind="PNG", **options):
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def photo(mode="RGB", size=(96, 80)):
    with Image.open(miniatures.PICTURES[0]) as image:
        return image.convert("RGB").resize(size).convert(mode)


def turned():
    exif = Image.Exif()
    exif[274] = 6
    return encoded(photo(), "JPEG", exif=exif)


def sepia():
    gray = np.asarray(photo("L"), np.float32)[..., None]
    return Image.fromarray((gray * [1.0, 0.85, 0.65]).astype(np.uint8))


def sixteen_bit_gray():
    values = np.asarray(photo("L")).astype(np.uint16) * 257
    return Image.fromarray(values)


ODD = {
    "plain.jpg": (encoded(photo(), "JPEG"), set()),
    "empty.jpg": (b"", {"broken"}),
    "text.jpg": (b"no picture at all", {"broken"}),
    "cut.jpg": (encoded(photo(), "JPEG")[:-600], {"broken"}),
    "png.jpg": (encoded(photo()), {"wrong extension"}),
    "gray.png": (encoded(photo("L")), {"gray"}),
    "rgb_gray.png": (encoded(photo("L").convert("RGB")), {"gray"}),
    "sepia.png": (encoded(sepia()), {"toned"}),
    "flat.png": (encoded(Image.new("RGB", (80, 80), "#0000ff")), {"flat"}),
    "cmyk.jpg": (encoded(photo("CMYK"), "JPEG"), {"CMYK"}),
    "palette.png": (encoded(photo().quantize(64)), {"palette"}),
    "alpha.png": (encoded(photo("RGBA")), {"alpha"}),
    "bit.png": (encoded(photo("1")), {"1-bit", "gray"}),
    "deep.png": (encoded(sixteen_bit_gray()), {"16-bit", "gray"}),
    "moving.png": (encoded(photo(), save_all=True, append_images=[photo().rotate(9)]), {"animated"}),
    "turned.jpg": (turned(), {"rotated"}),
    "tiny.png": (encoded(photo(size=(30, 20))), {"tiny"}),
    "strip.png": (encoded(photo(size=(500, 70))), {"strip"}),
}


@pytest.mark.parametrize("name", ODD)
def test_unusual_files_are_named(name):
    data, kinds = ODD[name]
    assert {kind for kind, _ in examine(name, data).facts} == kinds


def test_sizes_are_displayed_sizes():
    assert examine("turned.jpg", turned()).size == (80, 96)


def test_a_damaged_profile_and_exif_are_named():
    assert examine("p.png", encoded(photo(), icc_profile=b"nonsense")).facts[0][0] == "profile"
    bad = encoded(photo(), "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\x09\0\x12\x01")
    assert {kind for kind, _ in examine("e.jpg", bad).facts} == {"damaged EXIF"}


def test_the_report_counts_groups_and_finds_leaks(tmp_path):
    root = miniatures.folder(tmp_path, train=3, val=2)
    shutil.copy(root / "train" / "0.jpg", root / "val" / "again.jpg")
    with Image.open(root / "train" / "1.jpg") as image:
        image.save(root / "train" / "1b.jpg", quality=60)
    (root / "train" / "list.txt").write_text("words")
    (root / "train" / "cut.png").write_bytes(ODD["cut.jpg"][0])
    report = verify(root, near=True, threads=2)
    assert report.pictures == 8
    assert report.layout.splits == {"train": 5, "val": 3}
    assert (report.width, report.height) == ((72, 72, 72), (56, 56, 56))
    assert report.other_files == {".txt": 1}
    assert report.duplicates == [["train/0.jpg", "val/again.jpg"]]
    assert report.near_duplicates == [["train/1.jpg", "train/1b.jpg"]]
    assert "1 pictures are in train and in val" in report.layout.notes[0]
    assert report.counts()["broken"] == 1


def test_near_groups_agree_with_all_pairs():
    rng = np.random.default_rng(0)
    base = rng.integers(1, 2**63, 20, np.uint64)
    flipped = base[:6] ^ np.uint64(1 << 17) ^ np.uint64(1 << 50) ^ np.uint64(1)
    far = base[6:9] ^ np.uint64(0b1111)
    groups = near_groups(np.concatenate([base, flipped, far]))
    assert groups == [[n, 20 + n] for n in range(6)]
    assert near_groups(np.array([5, 5, 0, 0], np.uint64), already=[[0, 1]]) == []


def test_the_command_prints_a_table_or_json_and_its_code_tells_of_broken_files(tmp_path, capsys):
    root = miniatures.folder(tmp_path, train=2, val=1)
    assert main(["data", "verify", str(root)]) == 0
    assert "folder: train 2, val 1" in capsys.readouterr().out
    (root / "train" / "empty.jpg").write_bytes(b"")
    assert main(["data", "verify", str(root), "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["broken"] is True
    assert {"path": "train/empty.jpg", "kind": "broken", "detail": "empty file"} in report["findings"]
    assert main(["data", "verify", str(root / "none")]) == 2
    assert main(["data", "verify", str(root), "--layout", "cifar"]) == 2


@pytest.mark.parametrize(
    ("make", "name"),
    [
        ("imagenet", "imagenet"),
        ("places205", "places205"),
        ("places365_easy", "places365"),
        ("places365_listed", "places365"),
        ("coco_stuff", "coco_stuff"),
        ("folder", "folder"),
    ],
)
def test_layouts_are_detect_layoutd_and_miniatures_have_no_mistakes(tmp_path, make, name):
    root = getattr(miniatures, make)(tmp_path)
    assert detect_layout(root) == name
    report = check_layout(root)
    assert report.mistakes == []
    assert set(report.splits) == {"train", "val"}


def test_class_maps_are_not_taken_for_gray_pictures(tmp_path):
    report = verify(miniatures.coco_stuff(tmp_path), threads=1)
    assert report.pictures == 8
    assert "gray" not in report.counts()


def test_a_mistaken_layout_breaks_the_report(tmp_path, capsys):
    root = miniatures.imagenet(tmp_path)
    shutil.rmtree(root / "val")
    assert main(["data", "verify", str(root)]) == 1
    assert "ImageNet folder 'val' not found" in capsys.readouterr().out
    with pytest.raises(DataError, match="unknown layout"):
        check_layout(root, "cifar")
