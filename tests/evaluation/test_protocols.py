"""Shipped protocols and invalid protocols."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from colorzoo.errors import DataError
from colorzoo.evaluation.images import subset_names
from colorzoo.evaluation.measures import list_metrics
from colorzoo.evaluation.protocol import (
    Protocol,
    Resize,
    list_protocols,
    load_protocol,
    parse_protocol,
)
from colorzoo.simulation import TrueStatistics, UniformPoints


def test_shipped_protocols_name_existing_metrics_and_subsets() -> None:
    for name in list_protocols():
        protocol = load_protocol(name)
        assert protocol.name == name
        assert {metric.partition(":")[0] for metric in protocol.metrics} <= set(list_metrics())
        if protocol.subset is not None:
            assert subset_names(protocol.subset)


@pytest.mark.parametrize("subset", ["imagenet", "ctest10k-firstx", "ctest10k-first-3", "ctest10k-first0"])
def test_unknown_subsets_are_refused(subset: str) -> None:
    with pytest.raises(DataError, match="subset of a protocol must be"):
        subset_names(subset)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("version: 4\n", ""), "'version'"),
        (("mode: squash", "mode: stretch"), "resize.mode must be one of squash, crop, fit, none"),
        (("size: 256", "size: 4097"), "must be from 16 to 4096 pixels, got 4097"),
        (
            ("size: 256", "size: 256, filter: box"),
            "resize.filter must be one of bicubic, bilinear, got 'box'",
        ),
        (("coloring:", "references: first\ncoloring:"), "references must be one of none, pairs, got 'first'"),
        (("interactions: [0]", "interactions: [1001]"), "whole numbers from 0 to 1000, got 1001"),
        (("interactions: [0]", "interactions: []"), "interactions"),
        (("metrics: [", "metrics: psnr\nnotes: ["), "metrics must be a list of strings, got 'psnr'"),
        (("metrics: [", "notes: none\nmetrics: ["), "notes must be a list of strings, got 'none'"),
        (("coloring: colorizer", "coloring: pad"), "coloring must be one of colorizer, network"),
        (("coloring:", "sketches: drawn\ncoloring:"), "sketches must be one of xdog, got 'drawn'"),
        (
            ("coloring:", "layout: pairs\ncoloring:"),
            "layout must be one of images, drawings, clips, got 'pairs'",
        ),
        (("interactions: [0]", "iterations: [0]"), "'iterations'"),
        (("coloring:", "user: {name: nobody}\ncoloring:"), "simulated user must be one of .*, got 'nobody'"),
        (("coloring:", "user: {name: exemplar, side: 3}\ncoloring:"), "invalid options"),
        (("coloring:", "background: {name: uniform_points}\ncoloring:"), "'count' is missing"),
        (("{mode", "{{mode"), "YAML"),
    ],
)
def test_parse_protocol_raises_one_line_error_if_invalid(change: tuple[str, str], message: str) -> None:
    text = load_protocol("automatic").text
    assert change[0] in text
    with pytest.raises(DataError, match=f"protocol mine.yaml: .*{message}") as caught:
        parse_protocol(text.replace(*change), "mine.yaml")
    assert "\n" not in str(caught.value)


def test_parse_protocol_reads_every_key() -> None:
    text = """
name: mine
version: 3
title: Mine
source: a paper
resize: {mode: squash, size: 16}
metrics: [psnr]
coloring: network
subset: first5k
references: pairs
layout: drawings
sketches: drawn
user: {name: uniform_points, side: 4}
background: {name: true_statistics, count: 2}
interactions: [1000, 3, 3, 0]
seed: 5
notes: [one, two]
"""
    assert parse_protocol(text, "mine") == Protocol(
        name="mine",
        version=3,
        title="Mine",
        source="a paper",
        resize=Resize("squash", 16),
        metrics=("psnr",),
        coloring="network",
        subset="first5k",
        references="pairs",
        layout="drawings",
        sketches="drawn",
        user=UniformPoints(side=4),
        background=TrueStatistics(),
        background_count=2,
        interactions=(0, 3, 1000),
        seed=5,
        notes=("one", "two"),
        text=text,
    )


def test_resize_matches_antialiased_bicubic_interpolation() -> None:
    generator = torch.Generator().manual_seed(0)
    rgb = torch.randint(0, 256, (3, 40, 61), generator=generator, dtype=torch.uint8)
    assert torch.equal(Resize("none", 0)(rgb), rgb)
    expected = F.interpolate(rgb[None], (32, 32), mode="bicubic", antialias=True)[0]
    assert torch.equal(Resize("squash", 32)(rgb), expected)
    assert torch.equal(Resize("squash", 32)(expected), expected)
    expected = F.interpolate(rgb[None], (32, 32), mode="bilinear", antialias=True)[0]
    assert torch.equal(Resize("squash", 32, "bilinear")(rgb), expected)
    assert Resize("fit", 32)(rgb).shape == (3, 21, 32)
    assert torch.equal(Resize("fit", 61)(rgb), rgb)
    assert [Resize("squash", 40).key, Resize("none", 0).key] == ["squash40-bicubic", "original-size"]


def test_load_protocol_accepts_a_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(load_protocol("automatic").text.replace("name: automatic", "name: mine"))
    assert load_protocol(str(file)).label == "mine/4"


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        ("side: 6", "side: 2", "user.side"),
        ("name: uniform_points, side: 6", "name: most_wrong_points", "user"),
        ("resize: {mode: squash, size: 256}", "resize: {mode: crop, size: 64}", "resize.mode, resize.size"),
        ("coloring: network", "coloring: colorizer\nseed: 3", "coloring, seed"),
        ("version: 3", "version: 2", "version"),
        ("subset: ctest10k-first1000\n", "", "subset"),
        ("interactions: [0, 1,", "interactions: [0, 7,", ""),  # numbers of interactions are shown in tables
    ],
)
def test_label_of_a_copied_protocol_names_the_changed_settings(
    old: str, new: str, changed: str, tmp_path: Path
) -> None:
    text, file = load_protocol("zhang2017-hints").text, tmp_path / "copy.yaml"
    assert old in text
    file.write_text(text.replace(old, new))
    version = 2 if changed == "version" else 3
    suffix = f" (changed: {changed})" if changed else ""
    assert load_protocol(str(file)).label == f"zhang2017-hints/{version}{suffix}"


def test_label_of_a_protocol_that_was_changed_in_python_names_the_changed_settings() -> None:
    protocol = load_protocol("automatic")
    assert protocol.label == "automatic/4"
    assert replace(protocol, seed=1).label == "automatic/4 (changed: seed)"
    assert replace(protocol, seed=1, name="mine").label == "mine/4"
