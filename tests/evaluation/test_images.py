"""Image selection, ground-truth loading and the result cache of an evaluation."""

from __future__ import annotations

import hashlib
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from colorzoo.color import rgb_to_gray, xdog
from colorzoo.data.decode import decode_frame, decoded_boxes
from colorzoo.data.sources import StoredImage
from colorzoo.errors import ColorzooError, DataError, ImageError
from colorzoo.evaluation.cache import Cache, Entry
from colorzoo.evaluation.images import Item, hash_all, read_result, read_truth, select_images
from colorzoo.evaluation.protocol import Resize, parse_protocol
from colorzoo.simulation import UniformPoints
from tiny_evaluation import PROTOCOL, write_image

TINY = replace(parse_protocol(PROTOCOL, "tiny"), resize=Resize("none", 0), seed=5)
CPU = torch.device("cpu")


def test_select_images_reads_labels_from_labels_csv(image_folder: Path) -> None:
    table = image_folder / "labels.csv"
    table.write_text("image,label\n0.png,7\n2.png,0\n", encoding="utf-8-sig")  # as spreadsheets write it
    (image_folder / "metadata.csv").write_text("file_name,label\n0.png,cat\n")  # names are not labels
    found, _ = select_images(image_folder, TINY, None, None)
    assert [(each.name, each.label) for each in found] == [
        ("0.png", 7), ("1.png", None), ("2.png", 0), ("3.png", None)
    ]  # fmt: skip
    assert read_truth(found[0].hashed(), TINY, CPU).label == 7
    wrong = {
        "image,class\n0.png,7\n": "'label' is missing",
        "image,label\n0.png,cat\n": r"label of .*0\.png' must be a whole number",
    }
    for text, message in wrong.items():
        table.write_text(text)
        with pytest.raises(ColorzooError, match=message):
            select_images(image_folder, TINY, None, None)
    table.write_text("image,label\nphotos/0.png,7\n")
    with pytest.raises(
        DataError, match=r"labels\.csv' must list images relative to its folder, such as '0\.png'"
    ):
        select_images(image_folder, TINY, None, None)


def test_select_images_reads_pairs_outside_the_training_split(image_folder: Path) -> None:
    protocol = replace(TINY, references="pairs")
    table = image_folder / "pairs.csv"
    table.write_text("target,reference,split\n0.png,1.png,train\n1.png,2.png,val\n2.png,0.png,\n")
    found, _ = select_images(image_folder, protocol, None, None)
    assert [(each.name, each.reference_name) for each in found] == [("1.png", "2.png"), ("2.png", "0.png")]
    (image_folder / "labels.csv").write_text("image,label\n0.png,7\n")
    for rows in ("", "0.png,1.png,train\n"):
        table.write_text("target,reference,split\n" + rows)
        with pytest.raises(DataError, match="must list at least one pair outside the split 'train'"):
            select_images(image_folder, protocol, None, None)


def test_select_images_refuses_boxes_with_width_and_height(image_folder: Path) -> None:
    table = image_folder / "boxes.csv"
    table.write_text("image,left,top,right,bottom\n0.png,20,4,12,30\n")
    with pytest.raises(DataError, match="left <= right and top <= bottom"):
        select_images(image_folder, TINY, None, None)
    table.write_text("image;left;top;right;bottom\r\n0.png;20;4;32;34\r\n", encoding="utf-16")
    assert select_images(image_folder, TINY, None, None)[0][0].boxes == ((20, 4, 32, 34),)


@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_boxes_csv_refers_to_the_upright_image_and_coco_to_the_stored_pixels(
    orientation: int, tmp_path: Path
) -> None:
    stored, exif = Image.new("RGB", (96, 64), "white"), Image.Exif()
    stored.paste("red", (10, 8, 40, 24))
    exif[0x0112] = orientation
    stored.save(tmp_path / "0.png", exif=exif)
    upright = np.asarray(ImageOps.exif_transpose(Image.open(tmp_path / "0.png")))
    rows, columns = np.nonzero(upright[..., 1] == 0)
    box = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    (tmp_path / "boxes.csv").write_text(f"image,left,top,right,bottom\n0.png,{','.join(map(str, box))}\n")
    (item, *_), _ = select_images(tmp_path, TINY, None, None)
    boxes = read_truth(item.hashed(), TINY, CPU).boxes
    assert boxes is not None
    fractions = torch.tensor([[10 / 96, 8 / 64, 40 / 96, 24 / 64]])  # as in COCO's annotations
    expected = decoded_boxes(fractions, decode_frame((tmp_path / "0.png").read_bytes()))
    torch.testing.assert_close(boxes.corners[0][:1], expected)


def test_select_images_refuses_pairs_that_the_protocol_ignores(image_folder: Path) -> None:
    (image_folder / "mine.csv").write_text("target,reference\n1.png,2.png\n")
    with pytest.raises(DataError, match="--pairs requires a protocol with pairs"):
        select_images(image_folder, TINY, "mine.csv", None)


def test_select_images_returns_images_and_deviations_from_the_protocol(image_folder: Path) -> None:
    for limit, deviation in ((4, ""), (3, "limited to the first 3 images")):
        found, differs = select_images(image_folder, TINY, None, limit)
        assert [each.name for each in found] == [f"{index}.png" for index in range(limit)]
        assert differs == deviation
    subset = replace(TINY, subset="first5k-first2")
    _, differs = select_images(image_folder, subset, None, 1)
    assert differs == "not the images of first5k-first2; limited to the first 1 images"
    names = [f"ILSVRC2012_val_0000000{number}.JPEG" for number in (2, 1)]
    for name in names:
        Image.new("RGB", (20, 20)).save(image_folder / name)
    found, differs = select_images(image_folder, subset, None, None)
    assert ([each.name for each in found], differs) == (names[::-1], "")
    rows = "".join(f"{name},{reference}.png\n" for reference in (0, 1) for name in names)
    (image_folder / "pairs.csv").write_text("target,reference\n" + rows)
    found, _ = select_images(image_folder, replace(subset, references="pairs"), None, None)
    assert [(each.name, each.reference_name) for each in found] == [
        (name, f"{reference}.png") for name in names[::-1] for reference in (0, 1)
    ]


def item(path: Path, reference: Path | None = None) -> Item:
    return Item(path.name, StoredImage(str(path)), reference and StoredImage(str(reference))).hashed()


def test_read_truth_and_read_result_apply_the_protocol_resize(image_folder: Path, tmp_path: Path) -> None:
    path, other = image_folder / "0.png", image_folder / "1.png"
    levels = torch.from_numpy(np.array(Image.open(path))).permute(2, 0, 1)[None]
    truth = read_truth(item(path), TINY, CPU)
    assert torch.equal(truth.rgb, levels / 255)
    assert (truth.size, truth.reference, truth.label) == ((40, 48), None, None)
    assert truth.seed == int(hashlib.sha256(path.read_bytes()).hexdigest()[:12], 16) ^ 5
    for scene, lightness in (
        (truth.gray_scene, truth.lab[:, :1]),
        (truth.sketch_scene, xdog(rgb_to_gray(truth.rgb))),
    ):
        assert torch.equal(scene.lightness, lightness)
        assert (scene.rgb is truth.rgb, scene.ab is truth.ab, scene.seed) == (True, True, truth.seed)
    small = replace(TINY, resize=Resize("squash", 20))
    assert (read_truth(item(path), small, CPU).rgb.shape, truth.is_gray) == ((1, 3, 20, 20), False)
    given = read_truth(item(path, other), replace(TINY, references="pairs"), CPU).reference
    assert given is not None
    assert torch.equal(given, read_truth(item(other), TINY, CPU).rgb)
    for size in ((16, 15), (15, 16)):
        write_image(tmp_path / "small.png", 0, size=size)
        with pytest.raises(ImageError, match=rf"small.png .* got {size[1]} x {size[0]}"):
            read_truth(item(tmp_path / "small.png"), TINY, CPU)
    write_image(tmp_path / "small.png", 0, size=(16, 16))
    assert read_truth(item(tmp_path / "small.png"), TINY, CPU).size == (16, 16)
    assert torch.equal(read_result(path, truth, small, "0.png"), read_truth(item(path), small, CPU).rgb)
    with pytest.raises(ImageError, match=r"small.png .*48 x 40 pixels.*got 16 x 16"):
        read_result(tmp_path / "small.png", truth, TINY, "0.png")


def test_read_truth_refuses_panoramas_that_the_protocol_makes_too_small(tmp_path: Path) -> None:
    write_image(tmp_path / "wide.png", 0, size=(20, 400))
    (item,) = select_images(tmp_path, TINY, None, None)[0]
    assert read_truth(item.hashed(), TINY, CPU).size == (20, 400)
    small = replace(TINY, resize=Resize("fit", 256))
    with pytest.raises(ImageError, match="at least 16 pixels per side, got 256 x 13"):
        read_truth(item.hashed(), small, CPU)


def test_crop_mode_evaluates_the_central_square_with_its_boxes(tmp_path: Path) -> None:
    levels = np.zeros((20, 60, 3), np.uint8)
    levels[:, 20:40] = 200
    Image.fromarray(levels).save(tmp_path / "wide.png")
    boxes = ((20.0, 5.0, 30.0, 20.0), (0.0, 0.0, 10.0, 20.0))
    wide = replace(item(tmp_path / "wide.png"), boxes=boxes)
    truth = read_truth(wide, replace(TINY, resize=Resize("crop", 16)), CPU)
    assert truth.rgb.shape == (1, 3, 16, 16)
    torch.testing.assert_close(truth.rgb, torch.full_like(truth.rgb, 200 / 255))
    assert truth.boxes is not None
    assert truth.boxes.corners.tolist() == [[[0.0, 0.25, 0.5, 1.0]]]


def test_hash_all_lists_unreadable_images(image_folder: Path) -> None:
    items = [Item(name, StoredImage(str(image_folder / name))) for name in ("0.png", "none.png", "1.png")]
    readable, unreadable = hash_all(items)
    assert [each.name for each in readable] == ["0.png", "1.png"]
    assert [(name, "none.png" in why) for name, why in unreadable] == [("none.png", True)]


MACHINE = {"device": "cpu", "threads": 1, "versions": {"torch": "2.0"}}


def test_cache_separates_protocols_and_machines(tmp_path: Path) -> None:
    Cache(tmp_path, TINY, MACHINE).write("method", "image", Entry(skipped="kept"))

    def finds(machine: dict[str, object] = MACHINE, **changes: object) -> bool:
        return Cache(tmp_path, replace(TINY, **changes), machine).read("method", "image").skipped == "kept"

    # texts for readers, and settings that select results of single images
    irrelevant = {"version", "title", "source", "notes", "text", "subset", "metrics", "interactions"}
    for each in fields(TINY):
        assert finds(**{each.name: "another value"}) == (each.name in irrelevant), each.name
    for change in (
        {"resize": Resize("none", 1)},
        {"user": UniformPoints(side=5)},
        {"machine": MACHINE | {"threads": 2}},
        {"machine": MACHINE | {"versions": {"torch": "3.0"}}},
    ):
        assert not finds(**change), change
    assert Entry(skipped="broken").lacks([1], ["psnr"])


def test_cache_key_of_an_image_depends_on_its_content_and_annotations() -> None:
    item = Item("a.png", StoredImage("a.png"))
    # hashes of the contents represent the files
    irrelevant = {"source", "reference", "reference_name", "lines", "clip"}
    for each in fields(Item):
        changed: Any = "another value"
        assert (replace(item, **{each.name: changed}).key == item.key) == (each.name in irrelevant), each.name


def test_cache_returns_every_field_of_an_entry(tmp_path: Path) -> None:
    by_count: dict[str, Any] = {
        "moments": {3: {"psnr": [1.0, 2.0]}},
        "features": {3: {"fid": [0.5]}},
        "actual_interactions": {3: 2},
        "thumbnails": {-1: "data:"},
    }
    entry = Entry(**by_count, points=[(0.5, 0.25, "#c04020")], skipped="reason", gray=True)
    assert all(getattr(entry, each.name) != getattr(Entry(), each.name) for each in fields(Entry))
    cache = Cache(tmp_path, TINY, MACHINE)
    cache.write("method", "image", entry)
    assert cache.read("method", "image") == entry
