"""The commands that measure the page *Results* and how far models follow their references."""

import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from benchmarks import references
from benchmarks.results import __main__ as results
from PIL import Image

from colorzoo.errors import DataError
from colorzoo.guidance import Exemplar
from colorzoo.inference.colorizer import Colorizer
from colorzoo.model import ColoringModel
from colorzoo.pictures.picture import Picture
from colorzoo.prediction import AbPrediction
from colorzoo.registry import model_card
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


def test_a_workflow_measures_the_authors_weights_on_demand(monkeypatch, capsys) -> None:
    path = Path(__file__).parents[1] / ".github" / "workflows" / "published.yml"
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert list(workflow[True]) == ["workflow_dispatch"]  # yaml reads the key "on" as true
    steps = workflow["jobs"]["published"]["steps"]
    (command,) = [step["run"] for step in steps if "benchmarks.results" in step.get("run", "")]

    def measure(data: Path, report: Path) -> None:
        raise DataError(f"{report} from {data}")

    monkeypatch.setattr(results, "measure_published", measure)
    assert results.main(shlex.split(command)[3:]) == 2
    assert capsys.readouterr().err == "report from data\n"


def test_the_page_has_every_table_with_the_default() -> None:
    page = results.PAGE.read_text(encoding="utf-8")
    for table in results.TABLES:
        assert results.with_table(page, table.name, "") != page
    assert "| colorzoo2026 | 0 |" in page


def rows_of(name: str) -> dict[tuple[str, str], dict[str, float]]:
    """Return the numbers of a table of the page by method and interactions, then by heading."""
    page = results.PAGE.read_text(encoding="utf-8")
    text = page.partition(f"<!-- {name}: ")[2].partition(f"<!-- end of {name} -->")[0]
    head, _, *lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    titles = [title.partition(" [")[0].strip(" ↑↓") for title in head]
    found = {}
    for name, count, *cells in lines:
        values = (float(cell.split()[0].replace("∞", "inf")) for cell in cells)
        found[name, count] = dict(zip(titles[2:], values, strict=True))
    return found


CRITERIA = [
    ("automatic", "0", "PSNR", "colors nearest to the truth"),
    ("people", "0", "PSNR", "colors nearest to the truth"),
    ("automatic", "0", "Colorfulness", "vivid colors"),
    ("references", "1", "PSNR", "its colors where they fit, nearest to the truth"),
    ("references", "1", "Histogram int.", "as much of its colors as a network takes"),
    ("references", "1", "Histogram int.", "as much of its colors as possible, without a network"),
]


@pytest.mark.parametrize(("table", "count", "number", "wish"), CRITERIA)
def test_the_choice_of_a_model_follows_the_results(table: str, count: str, number: str, wish: str) -> None:
    page = (results.PAGE.parent / "choose.md").read_text(encoding="utf-8")
    (line,) = [line for line in page.splitlines() if f" {wish}" in line and line.startswith("|")]
    chosen = line.split("`")[1]
    trained = model_card(chosen).trainable
    rows = {
        name: row[number]
        for (name, interactions), row in rows_of(table).items()
        if interactions == count and name not in ("gray", "truth") and model_card(name).trainable == trained
    }
    assert max(rows, key=rows.__getitem__) == chosen


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


def test_pairs_with_a_gray_target_are_left_out(tmp_path: Path) -> None:
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("target,reference,target_is_gray\na.jpg,b.jpg,1\nc.jpg,d.jpg,0\n")
    (tmp_path / "out").mkdir()
    assert results.color_pairs(pairs, tmp_path / "out").read_text() == "target,reference\nc.jpg,d.jpg\n"


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


def test_references_without_color_are_skipped(tmp_path: Path) -> None:
    (tmp_path / "exemplar").mkdir()
    Image.new("L", (40, 40), 90).convert("RGB").save(tmp_path / "gray.png")
    (tmp_path / "exemplar" / "pairs.csv").write_text("target,reference\ngray.png,gray.png\n")
    from benchmarks._common import Options, SkippedError

    with pytest.raises(SkippedError, match="has color"):
        references.run(Options(data=tmp_path))
