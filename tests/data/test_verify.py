import io
import json
import shutil
import tarfile

import miniatures
import pytest
from PIL import Image

from colorzoo.apps.cli.main import main
from colorzoo.data import FolderDataModule, SketchDataModule
from colorzoo.data.decode import decode_rgb
from colorzoo.data.shards import ShardOptions, encode, shard_folder
from colorzoo.data.sources import tar_sources
from colorzoo.data.verify import LAYOUTS, examine, verify_images
from colorzoo.errors import DataError
from colorzoo.pixels.find import find_images


def encoded(image, kind="PNG", **options):
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def sample_image(mode="RGB", size=(96, 80)):
    with Image.open(miniatures.IMAGES[0]) as image:
        return image.convert("RGB").resize(size).convert(mode)


@pytest.mark.parametrize(
    ("name", "data", "found"),
    [
        ("plain.jpg", encoded(sample_image(), "JPEG"), []),
        ("phone.jpg", encoded(sample_image(), "MPO", save_all=True, append_images=[sample_image()]), []),
        ("empty.jpg", b"", ["broken"]),
        ("cut.jpg", encoded(sample_image(), "JPEG")[:-600], ["broken"]),
        ("png.jpg", encoded(sample_image()), ["wrong extension"]),
        ("gray.png", encoded(sample_image("L")), ["gray"]),
        ("flat.png", encoded(Image.new("RGB", (80, 80), "#0000ff")), ["gray"]),
        ("tiny.png", encoded(sample_image(size=(90, 63))), ["tiny"]),
        ("least.png", encoded(sample_image(size=(90, 64))), []),
    ],
)
def test_examine_classifies_unusual_files(name, data, found):
    assert [kind for kind, _ in examine(name, data)] == found


def test_verify_counts_images_and_finds_duplicates(tmp_path):
    root = miniatures.folder(tmp_path, train=3, val=2)
    shutil.copy(root / "train" / "0.jpg", root / "val" / "again.jpg")
    with tarfile.open(root / "val" / "more.tar", "w") as tar:
        tar.add(miniatures.write_image(tmp_path.parent / "tall.jpg", 7, (66, 100)), "tall.jpg")
    (root / "train" / "cut.jpg").write_bytes(b"no image")
    (root / "train" / "list.txt").write_bytes(b"words")
    ticks = []
    report = verify_images(root, threads=2, tick=lambda: ticks.append(1))
    assert report.splits == {"train": 4, "val": 4}
    assert len(ticks) == 8
    assert report.duplicates == [["train/0.jpg", "val/again.jpg"]]
    assert report.counts() == {"tiny": 6, "broken": 1}
    assert report.broken
    (root / "train" / "cut.tar").write_bytes(b"no tar")
    (mistake,) = verify_images(root).mistakes
    assert "cut.tar" in mistake


@pytest.mark.parametrize(
    ("names", "found"),
    [
        pytest.param(("train", "valid", "test"), True, marks=pytest.mark.nightly),
        pytest.param(("Train", "Val"), True, marks=pytest.mark.nightly),
        (("TRAIN", "validation", "Test"), True),
        pytest.param(("train", "cats"), False, marks=pytest.mark.nightly),
        (("train", "test"), None),
        (("val", "test"), None),
        (("train", "val", "valid"), None),
    ],
)
def test_verify_fit_and_shard_find_the_same_splits(tmp_path, names, found):
    root = tmp_path / "set"
    for index, name in enumerate(names):
        for number in range(12 if index == 0 else 2):
            miniatures.write_image(root / name / f"{number}.png", 12 * index + number)
    report = verify_images(root)
    data = FolderDataModule(str(root), val_fraction=0.2)
    if found is None:  # an error is better than training on the test images
        (mistake,) = report.mistakes
        for use in (lambda: data.find_images("train"), lambda: shard_folder(root, tmp_path / "shards")):
            with pytest.raises(DataError, match="must") as error:
                use()
            assert str(error.value) == mistake
        return
    images = {split: len(data.find_images(split)) for split in ("train", "val")}
    if names[0] != "TRAIN":  # to save time
        sharded = shard_folder(root, tmp_path / "shards", ShardOptions(val_fraction=0.2), workers=1)
        assert sharded.images == images
    if found:
        assert images == report.splits == {"train": 12, "val": 2}
    else:
        assert (sum(images.values()), report.splits) == (14, {"all": 14})


@pytest.mark.parametrize("folder", ["pairs", "drawings"])
def test_sketch_layouts_accept_other_names_of_the_splits(tmp_path, folder):
    colors, lines = {"pairs": ("color", "sketch"), "drawings": ("images", "lines")}[folder]
    for number, split in enumerate(("Train", "validation")):
        for kind in (colors, lines):
            miniatures.write_image(tmp_path / split / kind / "1.png", number)
    data = SketchDataModule(str(tmp_path))
    assert [len(data.find_images(split).partners) for split in ("train", "val")] == [1, 1]


FORMATS = {"jpg": "JPEG", "jfif": "JPEG", "jpe": "JPEG", "jp2": "JPEG2000", "avif": "AVIF", "gif": "GIF"}
FORMATS |= {"dib": "BMP", "mpo": "MPO", "heic": "HEIF", "ppm": "PPM", "apng": "PNG", "tif": "TIFF"}


def test_all_commands_use_each_format_that_colorize_finds(tmp_path, capsys):
    pytest.importorskip("pillow_heif").register_heif_opener()
    root = tmp_path / "photos"
    root.mkdir()
    for number, (extension, kind) in enumerate(FORMATS.items()):
        image = Image.open(miniatures.IMAGES[0]).resize((96, 80)).rotate(number)
        image.save(root / f"{number}.{extension}", kind)
    with tarfile.open(tmp_path / "all.tar", "w") as tar:
        tar.add(root, "photos")
    assert len(list(tar_sources(str(tmp_path / "all.tar")))) == len(FORMATS)
    report = verify_images(root)
    assert (report.splits, report.findings) == ({"all": len(FORMATS)}, [])
    data = FolderDataModule(str(root), val_fraction=0.3, check=True, num_workers=0)
    data.setup("fit")
    assert len(data.train_data) + len(data.val_data) == len(FORMATS)
    jpegs = [encode(path.read_bytes(), 64, 90) for path in root.iterdir()]  # as shards store them
    assert {decode_rgb(jpeg).shape for jpeg in jpegs} == {(3, 64, 77)}
    found = find_images([root]).found
    assert len(found) == len(FORMATS)
    words = ["evaluate", "--models", "gray", "--data", str(root), "--metrics", "psnr", "-o"]
    assert main([*words, str(tmp_path / "report")]) == 0
    rows = (tmp_path / "report" / "per_image.csv").read_text().splitlines()
    assert len(rows) == len(FORMATS) + 1


def test_data_verify_json_and_exit_code_report_broken_files(tmp_path, capsys):
    root = miniatures.folder(tmp_path, train=2, val=1)
    assert main(["data", "verify", str(root)]) == 0
    (root / "train" / "empty.jpg").write_bytes(b"")
    capsys.readouterr()
    assert main(["data", "verify", str(root), "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["broken"] is True
    assert [each["path"] for each in report["findings"] if each["kind"] == "broken"] == ["train/empty.jpg"]
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
def test_data_commands_reject_invalid_options(here, refused, words, option):
    (here / "there.npy").touch()
    assert option in refused("data", *words.split())


@pytest.mark.parametrize("name", [*LAYOUTS, "places365_listed"])
def test_verify_reports_no_mistakes_for_miniature_layouts(tmp_path, name):
    make = {"places365": "places365_easy"}.get(name, name)
    report = verify_images(getattr(miniatures, make)(tmp_path), layout=name.removesuffix("_listed"))
    assert (report.mistakes, set(report.splits)) == ([], {"train", "val"})
