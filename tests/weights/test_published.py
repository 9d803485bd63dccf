"""``python -m benchmarks published --download`` with a small model, a local server and generated images."""

from __future__ import annotations

import importlib
import re
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from colorzoo.evaluation import evaluate, load_protocol
from colorzoo.evaluation.images import subset_names
from colorzoo.files import sha256_of
from colorzoo.metrics.named import parse_name
from colorzoo.registry import model_card
from colorzoo.weights import weight_file
from tiny_evaluation import write_image

ROOT = Path(__file__).parents[2]
MODEL = "zhang2017_local"
PROTOCOL = """
name: tiny-published
version: 1
title: Small images
source: tests
resize: {mode: squash, size: 32}
coloring: network
subset: first5k-first3
user: {name: uniform_points, side: 4}
interactions: [0, 3]
metrics: [psnr]
"""
PAGE = """# Published numbers

<!-- published: written by `python -m benchmarks published --download` -->
<!-- end of published -->

after
"""


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """Return the benchmark with three values, a page of its own, and a folder with three images."""
    monkeypatch.syspath_prepend(str(ROOT))
    module = importlib.import_module("benchmarks.published")
    protocol = tmp_path / "tiny-published.yaml"
    protocol.write_text(PROTOCOL)
    row = "A paper", str(protocol)
    values = (
        module.PublishedValue(*row, "gray", "PSNR", "20.00", "psnr"),
        module.PublishedValue(*row, MODEL, "PSNR", "20.00", "psnr"),
        module.PublishedValue(*row, MODEL, "PSNR, 3 points", "-", "psnr", count=3),
    )
    (tmp_path / "published.md").write_text(PAGE)
    for seed in range(3):
        write_image(tmp_path / "data" / "val" / f"ILSVRC2012_val_{seed + 1:08d}.png", seed)
    write_image(tmp_path / "data" / "other" / "another.png", 3)
    monkeypatch.setattr(module, "VALUES", values)
    monkeypatch.setattr(module, "PAGE", tmp_path / "published.md")
    monkeypatch.setattr(module, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(module, "THREADS", 1)  # several threads are slow on a busy machine
    return module


def run(module: ModuleType, folder: Path, **options: Any) -> list[Any]:
    given = {"data": folder / "data", "download": True} | options
    return module.run(importlib.import_module("benchmarks._common").Options(**given))


def measured(module: ModuleType) -> dict[tuple[str, str], tuple[str, ...]]:
    """Return the last four cells of each row of the page, by model and value."""
    page = module.PAGE.read_text()
    assert page.endswith("\nafter\n")
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines() if "|" in line]
    assert lines[0] == [
        *("source", "protocol", "model", "value"),
        *("paper", "measured", "images", "date", "weights"),
    ]
    return {(line[2].strip("`"), line[3]): tuple(line[5:]) for line in lines[2:]}


def test_intact_weights_are_measured_once(
    published, narrow_zoo, server, authors_file, tmp_path, monkeypatch, capsys
) -> None:
    server.content = authors_file.read_bytes()
    card = narrow_zoo(urls=(server.url("good"),))
    sha256 = sha256_of(authors_file)
    rows = run(published, tmp_path)
    assert f"{MODEL} published: SHA-256 {sha256} (as on the model card)\n" in capsys.readouterr().out
    table = measured(published)
    # the values are those of an evaluation with the protocol
    outcome = evaluate(
        {MODEL: None, "gray": None}, tmp_path / "data" / "val", str(tmp_path / "tiny-published.yaml")
    )
    assert card.weights["published"].sha256 == sha256
    expected = {
        (row["method"], row["interactions"]): f"{row['psnr_rgb_8bit_mean@squash32-bicubic']:.2f}"
        for row in outcome.table()
    }
    assert table[MODEL, "PSNR"][0] == expected[MODEL, 0]
    assert table[MODEL, "PSNR, 3 points"][0] == expected[MODEL, 3]
    assert table["gray", "PSNR"][0] == expected["gray", 0]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", table["gray", "PSNR"][2])
    assert [cells[1] for cells in table.values()] == ["3 of `first5k-first3`"] * 3
    assert [cells[3] for cells in table.values()] == ["-", sha256[:12], sha256[:12]]
    # a row for each value of a paper
    assert [row.claim for row in rows] == ["gray, PSNR (A paper)", f"{MODEL}, PSNR (A paper)"]
    assert [f"{row.ours:.2f}" for row in rows] == [expected["gray", 0], expected[MODEL, 0]]
    assert all(row.ratio >= 1 for row in rows)
    # a second run downloads and measures nothing, a third run only what is missing
    before = published.PAGE.read_text()
    calls = []
    monkeypatch.setattr(
        published, "evaluate", lambda *given, **options: calls.append(given) or evaluate(*given, **options)
    )
    assert run(published, tmp_path) == rows
    assert (published.PAGE.read_text(), calls, server.count("good")) == (before, [], 1)
    published.PAGE.write_text(before.replace(f"| {table[MODEL, 'PSNR'][0]} |", "| - |"))
    assert run(published, tmp_path) == rows
    assert [list(models) for models, *_ in calls] == [[MODEL]]
    assert published.PAGE.read_text() == before


def test_changed_weights_and_protocols_are_measured_again(
    published, narrow_zoo, server, authors_file, tmp_path
) -> None:
    server.content = authors_file.read_bytes()
    narrow_zoo(urls=(server.url("good"),))
    run(published, tmp_path)
    before = measured(published)
    sha256 = sha256_of(authors_file)[:12]
    published.PAGE.write_text(published.PAGE.read_text().replace(sha256, "0" * 12))
    run(published, tmp_path, models=("gray",))
    assert measured(published)[MODEL, "PSNR"][3] == "0" * 12  # other models are kept
    run(published, tmp_path)
    assert measured(published) == before
    # values of an earlier version of the protocol are measured again
    page = published.PAGE.read_text()
    published.PAGE.write_text(
        re.sub(r"`tiny-published/1`(.*)\b20\d\d-", r"`tiny-published/0`\g<1>1999-", page)
    )
    run(published, tmp_path)
    assert published.PAGE.read_text() == page


@pytest.mark.parametrize(("path", "problem"), [("wrong", "hash"), ("absent", "404")])
def test_run_continues_after_a_wrong_hash_or_a_failing_address(
    published, narrow_zoo, server, tmp_path, capsys, path, problem
) -> None:
    narrow_zoo(urls=(server.url(path),))
    rows = run(published, tmp_path)
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith(MODEL)]
    assert len(lines) == 1
    assert problem in lines[0]
    assert [row.claim for row in rows] == ["gray, PSNR (A paper)"]
    assert measured(published)[MODEL, "PSNR"] == ("-",) * 4


def test_a_hash_is_computed_if_the_card_has_none(
    published, narrow_zoo, server, authors_file, tmp_path, capsys
) -> None:
    server.content = authors_file.read_bytes()
    narrow_zoo(urls=(server.url("good"),), sha256=None, no_hash="The authors publish no hash.")
    line = f"SHA-256 {sha256_of(authors_file)} (computed: The authors publish no hash.)"
    for _ in range(2):
        run(published, tmp_path)
        assert line in capsys.readouterr().out
        assert measured(published)[MODEL, "PSNR"][3] == sha256_of(authors_file)[:12]
        # the same file, copied into the cache by the user
        path = weight_file(model_card(MODEL), "published").path
        path.with_name(f"{path.name}.sha256").unlink(missing_ok=True)
    assert server.count("good") == 1


def test_missing_images_labels_and_values_are_named_in_one_line(
    published, narrow_zoo, server, tmp_path, monkeypatch, capsys
) -> None:
    narrow_zoo(urls=(server.url("absent"),))
    gray, *_ = published.VALUES
    values = (
        replace(gray, value="top-1", metric="accuracy"),
        gray,
        *(replace(gray, value=f"on COCO {number}", images="coco-val2017-first2") for number in range(2)),
    )
    monkeypatch.setattr(published, "VALUES", values)
    run(published, tmp_path)
    data = tmp_path / "data"
    lines = capsys.readouterr().out.splitlines()[1:]
    assert lines == [
        f"gray, accuracy: labels.csv is missing in {data / 'val'}",
        f"coco-val2017-first2: the 2 images are not below {data}",
    ]
    cells = measured(published)
    assert cells["gray", "PSNR"][0] != "-"
    assert cells["gray", "top-1"] == cells["gray", "on COCO 1"] == ("-",) * 4
    run(published, tmp_path, data=tmp_path / "nowhere", models=("gray",))
    assert f"first5k-first3: the folder {tmp_path / 'nowhere'} does not exist" in capsys.readouterr().out


def test_values_of_fewer_images_are_replaced(published, narrow_zoo, tmp_path) -> None:
    narrow_zoo()
    images = []
    for limit in (1, 2, 1, None, 1):
        run(published, tmp_path, images=limit, models=("gray",))
        images.append(measured(published)["gray", "PSNR"][1].partition(" of")[0])
    assert images == ["first 1", "first 2", "first 2", "3", "3"]


def test_listed_images_are_measured_if_their_hashes_match(
    published, narrow_zoo, tmp_path, monkeypatch, capsys
) -> None:
    narrow_zoo()
    files = sorted((tmp_path / "data" / "val").iterdir())[:2]
    listed = tmp_path / "voc2012_1000.csv"
    rows = "".join(f"{file.name},{sha256_of(file)}\n" for file in files)
    listed.write_text(f"image,sha256\n{rows}")
    monkeypatch.setattr(published, "VOC_LIST", listed)
    monkeypatch.setattr(published, "VALUES", (replace(published.VALUES[0], images=listed.stem),))
    run(published, tmp_path, models=("gray",))
    assert measured(published)["gray", "PSNR"][1] == "2 of `voc2012_1000`"
    published.PAGE.write_text(PAGE)
    listed.write_text(f"image,sha256\n{rows}missing.png,00\n")
    run(published, tmp_path, models=("gray",))
    assert "voc2012_1000: 1 of 3 images are missing" in capsys.readouterr().out


def test_published_requires_download_and_known_models(published, monkeypatch, capsys) -> None:
    main = importlib.import_module("benchmarks.__main__").main
    assert main(["published"]) == 0
    assert main(["published", "--download", "--models", "gupta2012"]) == 0
    first, second = capsys.readouterr().err.splitlines()
    assert "--download" in first
    assert "gupta2012" in second


def test_values_agree_with_the_tables_of_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    module = importlib.import_module("benchmarks.published")
    page = module.PAGE.read_text(encoding="utf-8")
    sections = {part.partition("\n")[0]: re.findall(r"[\d.]+", part) for part in page.split("\n## ")}
    assert len({value.key for value in module.VALUES}) == len(module.VALUES)
    for value in module.VALUES:
        if value.paper != module.EMPTY:
            assert value.paper in sections[value.source], value
        # the model, the metric, the images and the number of interactions exist
        protocol = load_protocol(value.protocol)
        if value.model not in ("gray", "truth"):
            assert model_card(value.model).weights[value.tag].urls, value
        assert parse_name(value.metric)[0] in protocol.metrics, value
        assert value.count in protocol.interactions, value
        if value.images != module.VOC_LIST.stem:
            assert subset_names(value.images or protocol.subset or ""), value
    assert module.read_rows(page).keys() <= {value.key for value in module.VALUES}
