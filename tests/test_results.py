"""The commands that measure the page *Results* and how far models follow their references."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from benchmarks import references
from benchmarks.results import __main__ as results

from colorzoo.errors import DataError
from colorzoo.guidance import Exemplar
from colorzoo.inference.colorizer import Colorizer
from colorzoo.model import ColoringModel
from colorzoo.pictures.picture import Picture
from colorzoo.prediction import AbPrediction
from tiny_evaluation import write_picture

BEGIN, END = "<!-- automatic: written by `python -m benchmarks.results` -->", "<!-- end of automatic -->"


def test_a_table_replaces_what_stands_between_its_comments() -> None:
    page = f"# Results\n\n{BEGIN}\nold \\1\n{END}\n\nmore\n"
    assert (
        results.with_table(page, "automatic", "new \\1")
        == f"# Results\n\n{BEGIN}\n\nnew \\1\n\n{END}\n\nmore\n"
    )
    with pytest.raises(DataError, match="references"):
        results.with_table(page, "references", "new")


def test_the_page_has_every_table_with_the_default() -> None:
    page = results.PAGE.read_text(encoding="utf-8")
    for table in results.TABLES:
        assert results.with_table(page, table.name, "") != page
    assert "| colorzoo2026 | 0 |" in page


def test_one_command_measures_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for index in range(3):
        write_picture(tmp_path / "photos" / f"{index}.png", index)
    table = results.Table("automatic", ("gray",), "automatic", ("psnr",), "photos")
    monkeypatch.setattr(results, "TABLES", (table,))
    page = tmp_path / "page.md"
    page.write_text(f"{BEGIN}{END}")
    words = ["--data", str(tmp_path), "--limit", "2", "--cache", str(tmp_path / "cache"), "--page", str(page)]
    assert results.main(words) == 0
    text = page.read_text()
    assert "| gray | 0 | " in text
    assert "Colored as colorize does" in text
    assert "The first 2 pictures of `photos`, by name (digest " in text
    assert results.main(["none"]) == 2


def test_pictures_with_a_class_are_copied_with_their_labels(tmp_path: Path) -> None:
    for seed, name in enumerate(("0.png", "1.png", "2.png")):
        write_picture(tmp_path / "photos" / name, seed)
    sources = (
        "photos/0.png,a/b:n01440764_tench.JPEG",
        "photos/1.png,a/b:park.jpg",
        "else/2.png,a/b:n01440764_x",
    )
    (tmp_path / "list.csv").write_text("\n".join(["path,source", *sources]))
    table = results.Table("judge", ("gray",), "automatic", ("classification",), "photos", sources="list.csv")
    folder = results.labeled_pictures(tmp_path, table, tmp_path / "out")
    assert sorted(path.name for path in folder.iterdir()) == ["0.png", "labels.csv"]
    assert (folder / "labels.csv").read_text() == "picture,label\n0.png,0\n"
    with pytest.raises(DataError, match="no picture of nowhere"):
        results.labeled_pictures(tmp_path, replace(table, pictures="nowhere"), tmp_path / "none")


class Follower(ColoringModel):
    """A model that answers with a share of the mean color of its reference."""

    accepts = frozenset({"exemplar"})

    def forward(self, lightness, guidance=None):
        assert guidance is not None
        assert isinstance(guidance.exemplar, Exemplar)
        mean = references.lab_of(guidance.exemplar.rgb[0].permute(1, 2, 0))[:, 1:].mean(
            dim=(2, 3), keepdim=True
        )
        return AbPrediction(ab=0.5 * mean.expand(-1, -1, *lightness.shape[-2:]))


def test_the_answer_to_the_opposite_hues_is_a_share_of_what_was_asked() -> None:
    lab = torch.tensor([50.0, 20.0, -10.0]).view(1, 3, 1, 1).expand(-1, -1, 40, 48)
    colored = Picture(references.opposite(lab))
    found = references.lab_of(colored.rgb)[0, :, 0, 0]
    torch.testing.assert_close(found, torch.tensor([50.0, -20.0, 10.0]), atol=0.1, rtol=0)
    pair = (Picture(np.full((40, 48), 128, np.uint8)), colored)
    answer, asked = references.measure(Colorizer(Follower(torch.nn.Identity()), device="cpu"), [pair])
    assert asked == pytest.approx(2 * (20**2 + 10**2) ** 0.5, abs=0.2)
    assert answer / asked == pytest.approx(0.5, abs=0.01)
