"""References from a pair list, from nearest neighbors and from the target itself."""

import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from runs import colorful

from colorzoo.data import ExemplarPairsDataModule, FolderDataModule, SketchDataModule
from colorzoo.data.decode import decode_rgb
from colorzoo.data.neighbors import FeatureEncoder
from colorzoo.data.self_references import thin_plate_grid
from colorzoo.errors import DataError


def data(root: Path, **overrides) -> ExemplarPairsDataModule:
    base = {"batch_size": 4, "crop": 24, "val_size": 32, "num_workers": 0}
    return ExemplarPairsDataModule(str(root), **{**base, **overrides})


def sources_of(module: ExemplarPairsDataModule, train: bool = True) -> list[tuple[str, str]]:
    module.setup("fit")
    chosen = module.train_data if train else module.val_data
    return [
        (chosen.sources[index].name, chosen.references[int(reference)].name)
        for index in range(len(chosen))
        for reference in chosen.candidates[index]
    ]


@pytest.fixture
def pair_list(tmp_path) -> Path:
    rng = np.random.default_rng(0)
    lines = ["pair,target,reference,split"]
    for index in range(6):
        (tmp_path / f"{index}").mkdir()
        for name in ("target", "reference"):
            colorful(rng).save(tmp_path / f"{index}" / f"{name}.png")
        lines.append(f"{index},{index}/target.png,{index}/reference.png,{'val' if index > 3 else 'train'}")
    (tmp_path / "pairs.csv").write_text("\n".join(lines))
    return tmp_path


def test_exemplar_pairs_reads_references_from_a_pair_list(pair_list) -> None:
    pairs = sources_of(data(pair_list, pairing="list"))
    assert {(Path(a).parent, Path(a).stem, Path(b).stem) for a, b in pairs} == {
        (Path(b).parent, "target", "reference") for _, b in pairs
    }
    module = data(pair_list, pairing="list")
    module.setup("validate")
    batch = module.on_after_batch_transfer(next(iter(module.val_dataloader())), 0)
    assert batch["reference"].shape == batch["rgb"].shape == (2, 3, 32, 32)
    expected = decode_rgb((pair_list / "4" / "reference.png").read_bytes(), 32).float() / 255
    torch.testing.assert_close(batch["reference"][0], expected)


@pytest.mark.parametrize("spelling", ["./{}", "{}/"])
def test_pair_list_and_digest_do_not_depend_on_the_spelling_of_the_root(
    pair_list, monkeypatch, spelling
) -> None:
    monkeypatch.chdir(pair_list.parent)
    roots = spelling.format(pair_list.name), pair_list.name
    settings = {"pairing": "list", "batch_size": 2, "crop": 24, "val_size": 32, "num_workers": 0}
    found, expected = (sources_of(ExemplarPairsDataModule(root, **settings)) for root in roots)
    assert found == expected
    for data_module in (FolderDataModule, partial(ExemplarPairsDataModule, pairing="list")):
        digests = []
        for root in roots:
            module = data_module(root, val_fraction=0.5)
            module.setup("fit")
            digests.append(module.digest())
        assert digests[0] is not None
        assert digests[0] == digests[1]


def test_pairs_outside_the_root_are_split_by_hash(pair_list, tmp_path_factory) -> None:
    outside = tmp_path_factory.mktemp("outside") / "target.png"
    shutil.copy(pair_list / "0" / "target.png", outside)
    lines = [f"{outside},0/reference.png", *(f"{index}/target.png,0/reference.png" for index in range(6))]
    (pair_list / "pairs.csv").write_text("\n".join(["target,reference", *lines]))
    module = data(pair_list, pairing="list", val_fraction=0.3)
    found = sources_of(module) + sources_of(module, train=False)
    assert len(found) == 7
    assert str(outside) in {target for target, _ in found}


def test_images_with_a_broken_reference_or_sketch_are_skipped_and_named(pair_list, tmp_path, caplog) -> None:
    reference = pair_list / "1" / "reference.png"
    reference.write_bytes(reference.read_bytes()[:60])
    pairs = data(pair_list, pairing="list", batch_size=3)
    for part in ("color", "sketch"):
        for split in ("train", "val"):
            folder = tmp_path / "manga" / split / part
            folder.mkdir(parents=True)
            for index in range(3):
                shutil.copy(pair_list / f"{index}" / "target.png", folder / f"{index}.png")
    broken = tmp_path / "manga" / "train" / "sketch" / "2.png"
    broken.write_bytes(b"no image")
    sketches = SketchDataModule(str(tmp_path / "manga"), batch_size=2, crop=24, val_size=32, num_workers=0)
    for module, skipped, bad in ((pairs, "1/target.png", reference), (sketches, "2.png", broken)):
        module.setup("fit")
        names = [name for batch in module.train_dataloader() for name in batch["name"]]
        assert names
        assert not [name for name in names if name.endswith(skipped)]
        assert str(bad) in caplog.text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("target,reference\n0/target.png,0/nothing.png", "line 2 of .*nothing.png', which does not exist"),
        (None, "pairs.csv' cannot be read"),
        ("target;reference,x\n0/target.png", "'reference' is missing"),
        ("", "'reference' is missing"),
    ],
)
def test_exemplar_pairs_raises_one_line_error_for_invalid_list(pair_list, text, words) -> None:
    (pair_list / "pairs.csv").unlink()
    if text is not None:
        (pair_list / "pairs.csv").write_text(text)
    with pytest.raises(DataError, match=words) as caught:
        data(pair_list, pairing="list").setup("fit")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "utf-16-be"])
def test_pair_list_of_a_spreadsheet_program_is_read(pair_list, separator, encoding) -> None:
    text = (pair_list / "pairs.csv").read_text()
    names = {
        "val": "Validation",
        "0,0/target.png,0/reference.png,train": "0,0/target.png,0/reference.png,test",
    }
    for old, new in names.items():
        text = text.replace(old, new)
    lines = [separator.join(f'"{word}"' for word in line.split(",")) for line in text.splitlines()]
    (pair_list / "pairs.csv").write_bytes("\r\n".join(lines).encode(encoding))
    counts = [len(data(pair_list, pairing="list").find_images(split)) for split in ("train", "val")]
    assert counts == [3, 2]  # without the pair of the split `test`


def test_self_references_replace_references_of_another_size(pair_list) -> None:
    """References from files have the size of the largest crop."""
    module = data(pair_list, pairing="list", crop=[16, 24], self_reference_prob=0.5)
    references = torch.full((64, 3, 24, 24), 0.25)
    batch = {"rgb": torch.ones(64, 3, 16, 16), "reference": references, "seed": torch.arange(64)}
    found = module.complete(batch, training=True)
    expected = torch.where(found["self_made"], 1.0, 0.25)[:, None, None, None].expand(64, 3, 16, 16)
    torch.testing.assert_close(found["reference"], expected)
    assert 16 < int(found["self_made"].sum()) < 48


def tint(folder: Path, name: str, color: tuple[int, int, int], rng: np.random.Generator) -> None:
    noise = rng.integers(0, 40, (40, 40, 3))
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray((np.array(color) + noise).clip(0, 255).astype(np.uint8)).save(folder / name)


class ByColor(ExemplarPairsDataModule):
    """Compares images by their mean color instead of an encoder."""

    encoder_name = "mean-color"
    searches = 0

    def build_encoder(self) -> FeatureEncoder:
        ByColor.searches += 1
        return FeatureEncoder(self.encoder_name, lambda rgb: rgb.mean((2, 3)) - 0.5, size=16)


def test_exemplar_pairs_finds_nearest_references_again_after_images_have_changed(
    tmp_path, monkeypatch
) -> None:
    monkeypatch.setenv("COLORZOO_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(ByColor, "searches", 0)
    rng = np.random.default_rng(0)
    for index in range(6):
        tint(tmp_path / "train", f"{index}.png", (200, 20, 20) if index % 2 else (20, 20, 200), rng)
    tint(tmp_path / "val", "v.png", (210, 10, 10), rng)
    module = ByColor(str(tmp_path), pairing="nearest", neighbors=2, crop=24, val_size=32, num_workers=0)
    module.prepare_data()
    pairs = sources_of(module)
    assert {int(Path(b).stem) % 2 for a, b in pairs if int(Path(a).stem) % 2} == {1}
    assert all(a != b for a, b in pairs)
    assert int(Path(sources_of(module, train=False)[0][1]).stem) % 2 == 1

    again = ByColor(str(tmp_path), pairing="nearest", neighbors=2, crop=24, val_size=32, num_workers=0)
    assert sources_of(again) == pairs
    assert ByColor.searches == 1  # the stored result is still valid
    tint(tmp_path / "train", "6.png", (20, 200, 20), rng)
    added = ByColor(str(tmp_path), pairing="nearest", neighbors=2)
    added.setup("fit")
    assert len(added.train_data.candidates) == 7
    assert ByColor.searches == 2
    colorful(rng, (60, 60)).save(tmp_path / "train" / "0.png")
    ByColor(str(tmp_path), pairing="nearest", neighbors=2).setup("fit")
    assert ByColor.searches == 3  # an image was replaced


def test_nearest_references_keep_the_labels_of_their_targets(tmp_path, monkeypatch, pair_list) -> None:
    monkeypatch.setenv("COLORZOO_HOME", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    for folder in ("train/blue", "train/red", "val/blue", "val/red"):
        for index in range(3):
            tint(tmp_path / folder, f"{index}.png", (200, 20, 20), rng)
    settings = {"labels": True, "batch_size": 6, "crop": 24, "val_size": 32, "num_workers": 0}
    module = ByColor(str(tmp_path), pairing="nearest", **settings)
    module.setup("fit")
    for loader in (module.train_dataloader(), module.val_dataloader()):
        (batch,) = loader
        assert batch["label"].tolist() == [int("red" in name) for name in batch["name"]]
    with pytest.raises(DataError, match="labels must be false"):
        data(pair_list, pairing="list", labels=True).setup("fit")


def test_thin_plate_grid_interpolates_its_control_points() -> None:
    still = thin_plate_grid(torch.zeros(1, 9, 2), 3, (6, 8)).view(6, 8, 2)
    assert still[0, :, 0].tolist() == pytest.approx([-0.875 + 0.25 * i for i in range(8)], abs=1e-6)
    shifts = torch.zeros(1, 9, 2)
    shifts[0, 4] = torch.tensor([0.2, -0.1])  # the center
    moved = thin_plate_grid(shifts, 3, (5, 5)).view(5, 5, 2)
    assert moved[2, 2].tolist() == pytest.approx([0.2, -0.1], abs=1e-5)
