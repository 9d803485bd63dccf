"""Class labels from folder names, and class-weighted sampling."""

import pytest
import torch
from PIL import Image

from colorzoo.data import FolderDataModule, StreamingDataModule
from colorzoo.data.loader import SeededSampler, class_weights, draw_weighted
from colorzoo.errors import DataError

SMALL = {"batch_size": 2, "crop": 32, "val_size": 32, "num_workers": 0}


def test_find_images_labels_images_by_folder_in_every_split(classes_folder) -> None:
    module = FolderDataModule(str(classes_folder), labels=True, **SMALL)
    for split in ("train", "val"):
        found = module.find_images(split)
        assert [f"c{label}" for label in found.labels.tolist()] == [
            source.path.split("/")[-2] for source in found.sources
        ]
    assert FolderDataModule(str(classes_folder), **SMALL).find_images("train").labels is None


@pytest.mark.parametrize(("power", "expected"), [(1.0, [0.9, 0.1]), (0.5, [0.75, 0.25]), (0.0, [0.5, 0.5])])
def test_class_weights_sample_classes_by_a_power_of_their_size(power, expected) -> None:
    labels = torch.tensor([0] * 90 + [1] * 10)
    drawn = draw_weighted(class_weights(labels, power), 20_000, torch.Generator().manual_seed(0))
    shares = labels[drawn].bincount() / 20_000
    torch.testing.assert_close(shares, torch.tensor(expected), atol=0.01, rtol=0)
    assert len(drawn.unique()) == 100


def test_seeded_sampler_divides_weighted_order_among_processes() -> None:
    weights = torch.rand(52, generator=torch.Generator().manual_seed(1))

    def order(**more) -> list[tuple[int, int]]:
        return list(SeededSampler(52, seed=3, weights=weights, **more))

    first, second = (order(rank=rank, world_size=2) for rank in (0, 1))
    together = order()
    assert [*zip(first, second, strict=True)] == [*zip(together[::2], together[1::2], strict=True)]
    assert order(skip=lambda: 7) == together[7:]


def test_class_power_without_labels_raises(classes_folder, shards) -> None:
    for module in (
        FolderDataModule(str(classes_folder), class_power=0.5, check=False, **SMALL),
        StreamingDataModule(str(shards), class_power=0.5, **SMALL),
    ):
        module.setup("fit")
        with pytest.raises(DataError, match="class_power"):
            module.train_dataloader()


@pytest.fixture
def mixed_sources(classes_folder, tmp_path):
    """Two sources: `old` with up to 9 images of c0 and c1, and `new` with one image of c1 and c2."""
    for split in ("train", "val"):
        for source, names, count in (("old", ("c0", "c1"), 9), ("new", ("c1", "c2"), 1)):
            for name in names:
                folder = tmp_path / split / source / name
                folder.mkdir(parents=True)
                for image in sorted((classes_folder / split / name).iterdir())[:count]:
                    (folder / image.name).symlink_to(image)
    return tmp_path


MIX = {"labels": True, "source_fractions": {"new": 3.0, "old": 1.0}, "check": False, **SMALL}


def drawn_shares(module: FolderDataModule) -> dict[str, float]:
    module.setup("fit")
    weights, images = module.sample_weights(), module.train_data.images
    shares: dict[str, float] = {}
    for weight, source in zip(weights.tolist(), images.sources, strict=True):
        name = "/".join(source.path.split("/")[-3:-1])
        shares[name] = shares.get(name, 0.0) + weight / float(weights.sum())
    return shares


def test_sample_weights_follow_source_fractions_and_class_factors(mixed_sources) -> None:
    shares = drawn_shares(FolderDataModule(str(mixed_sources), class_power=0.0, **MIX))
    assert shares == pytest.approx({"new/c1": 0.375, "new/c2": 0.375, "old/c0": 0.125, "old/c1": 0.125})
    factors = {"new/c1": 2.0, "old/c0": 0.5}
    module = FolderDataModule(str(mixed_sources), class_power=0.0, class_factors=factors, **MIX)
    shares = drawn_shares(module)
    assert shares == pytest.approx({"new/c1": 0.5, "new/c2": 0.25, "old/c0": 0.25 / 3, "old/c1": 0.5 / 3})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"source_fractions": {"new": 1.0}}, "data.source_fractions must .*'old'"),
        ({"class_factors": {"c1": 2.0}}, "class_factors .*'c1'"),
        ({"labels": False, "class_factors": {"new/c1": 2.0}}, "class_factors"),
    ],
)
def test_sample_weights_raise_for_unknown_sources_and_classes(mixed_sources, settings, message) -> None:
    module = FolderDataModule(str(mixed_sources), **{**MIX, **settings})
    with pytest.raises(DataError, match=message):
        drawn_shares(module)


@pytest.fixture
def mapped_folder(tmp_path):
    """Images whose class map is 7 where the image is red and 0 where it is blue."""
    for split in ("train", "val"):
        for index in range(3):
            red = torch.zeros(40, 56, dtype=torch.bool)
            red[:, : 12 + 8 * index] = True
            rgb = torch.where(red[..., None], torch.tensor([250, 20, 20]), torch.tensor([20, 20, 250]))
            path = f"{split}/cars/{index}.png"
            for file, values in ((tmp_path / path, rgb), (tmp_path / "classes" / path, 7 * red)):
                file.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(values.to(torch.uint8).numpy()).save(file)
    return tmp_path


def test_class_maps_are_read_from_the_folder_classes(mapped_folder) -> None:
    module = FolderDataModule(str(mapped_folder), classes=True, **SMALL)
    module.setup("fit")
    assert (module.class_count, len(module.train_data)) == (256, 3)
    batch = next(iter(module.train_dataloader()))
    inner = batch["rgb"].float()  # pixels at the edge are a mixture after resizing
    is_red, is_blue = inner[:, :1] > 200, inner[:, 2:] > 200
    assert is_red.any()
    assert is_blue.any()
    assert (batch["classes"][is_red] == 7).all()
    assert (batch["classes"][is_blue] == 0).all()


def test_missing_class_maps_raise(mapped_folder, classes_folder, tmp_path_factory) -> None:
    (mapped_folder / "classes" / "train" / "cars" / "1.png").unlink()
    with pytest.raises(DataError, match="1 of 3 are missing"):
        FolderDataModule(str(mapped_folder), classes=True, **SMALL).setup("fit")
    unsplit = tmp_path_factory.mktemp("unsplit")
    (unsplit / "cars").symlink_to(classes_folder / "train" / "c0")
    with pytest.raises(DataError, match="subfolders train and val"):
        FolderDataModule(str(unsplit), classes=True, **SMALL).find_images("train")
