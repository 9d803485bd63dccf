import io
import json
import shutil
import tarfile

import miniatures
import pytest
from PIL import Image

from colorzoo.apps.cli.main import main
from colorzoo.data.verify import LAYOUTS, examine, verify_images


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
