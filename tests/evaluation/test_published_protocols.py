"""Protocols of published comparisons, on small folders in the layouts of their data sets."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import timm
import torch

from colorzoo.errors import DataError
from colorzoo.evaluation import evaluate
from colorzoo.evaluation.images import select_images, subset_names
from colorzoo.evaluation.measures import choose_measures
from colorzoo.evaluation.protocol import load_protocol
from colorzoo.image_io.read import read_image
from colorzoo.metrics.video import color_consistency
from colorzoo.simulation import UniformPoints
from tiny_evaluation import write_image
from tiny_model import NAME

LAYOUTS = {
    "coco-stuff-val": ("val2017/000000000139.jpg", "val2017/000000581781.jpg"),
    "ade20k-val": ("images/validation/ADE_val_00000001.jpg", "images/validation/ADE_val_00002000.jpg"),
    "imagenet-val5k": ("val/ILSVRC2012_val_00000001.JPEG", "val/ILSVRC2012_val_00005000.JPEG"),
    "imagenet-ctest10k": ("val/ILSVRC2012_val_00000001.JPEG", "val/ILSVRC2012_val_00050000.JPEG"),
    "icolorit-hints": ("val/ILSVRC2012_val_00000001.JPEG", "val/ILSVRC2012_val_00050000.JPEG"),
    "davis-video": tuple(f"{clip}/{frame:05d}.jpg" for clip in ("bear", "dog") for frame in range(5)),
}
SIZES = {
    "coco-val2017": 5000,
    "ade20k-val": 2000,
    "first5k": 5000,
    "ctest10k": 10000,
    "davis2017-val": 30,
    "coco-val2017-first7": 7,
}


def write_files(folder: Path, names: tuple[str, ...]) -> Path:
    for seed, name in enumerate(names):
        write_image(folder / name, seed, (48, 64))
    return folder


def read_results(folder: Path) -> dict[tuple[str, int], dict[str, float]]:
    rows = json.loads((folder / "results.json").read_text())["results"]
    return {
        (row["method"], row["interactions"]): {
            key.partition("@")[0]: score["value"] for key, score in row["scores"].items()
        }
        for row in rows
    }


@pytest.mark.parametrize(("subset", "size"), SIZES.items())
def test_subsets_have_the_size_of_the_data_set(subset: str, size: int) -> None:
    names = subset_names(subset)
    assert len(names) == len(set(names)) == size


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.nightly] * (name in {"davis-video", "imagenet-val5k"}))
        for name in LAYOUTS
    ],
)
def test_protocol_runs_on_the_layout_of_its_data_set(
    name: str, tmp_path: Path, tiny_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLORZOO_OFFLINE", "1")  # metrics with networks are skipped with a note
    protocol = load_protocol(name)
    data = write_files(tmp_path / "data", LAYOUTS[name])
    if name == "davis-video":
        model, weights = "welsh2002", None
    else:
        model, weights = NAME, tiny_weights
    counts = tuple(count for count in protocol.interactions if count < 3)
    report = tmp_path / "report"
    models = {model: weights, "truth": None}
    outcome = evaluate(models, data, protocol, output=report, interactions=counts, resamples=20)
    assert outcome.summary is not None
    assert len(outcome.summary.items) == len(LAYOUTS[name])
    assert protocol.subset in outcome.summary.setup.deviation
    results = read_results(report)
    assert {count for method, count in results if method == model} == set(counts)
    assert all(np.isfinite(results[model, count]["psnr_rgb_8bit_mean"]) for count in counts)
    if isinstance(protocol.user, UniformPoints):
        psnr = [results[model, count]["psnr_rgb_8bit_mean"] for count in counts]
        assert psnr[0] != psnr[-1]


def test_davis_protocol_selects_its_clips_with_the_first_frame_as_reference(tmp_path: Path) -> None:
    clips = (*subset_names("davis2017-val"), "bear")
    data = write_files(tmp_path, tuple(f"{clip}/{frame:05d}.png" for clip in clips for frame in range(2)))
    items, deviation = select_images(data, load_protocol("davis-video"), None, None)
    assert not deviation
    assert {item.clip for item in items} == set(clips) - {"bear"}
    assert [item.reference_name for item in items if item.clip == "dog"] == ["dog/00000.png"] * 2


def test_frames_without_leading_zeros_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    data = write_files(tmp_path, tuple(f"dog/f{frame}.png" for frame in (2, 10, 11, 9)))
    protocol = replace(load_protocol("davis-video"), subset=None)
    items, _ = select_images(data, protocol, None, None)
    assert [item.name for item in items] == [f"dog/f{frame}.png" for frame in (2, 9, 10, 11)]
    assert {item.reference_name for item in items} == {"dog/f2.png"}


def test_cdc_is_the_mean_over_clips_that_are_long_enough(tmp_path: Path) -> None:
    lengths = {"bear": 5, "dog": 7, "goat": 5, "loading": 4}
    data = write_files(
        tmp_path / "data", tuple(f"{clip}/{frame}.png" for clip in lengths for frame in range(lengths[clip]))
    )
    protocol = replace(load_protocol("davis-video"), metrics=("cdc",))
    evaluate(["truth"], data, protocol, output=tmp_path / "report", interactions=(0,), resamples=200)
    (row,) = json.loads((tmp_path / "report/results.json").read_text())["results"]
    (score,) = row["scores"].values()
    expected = []
    for clip in ("bear", "dog", "goat"):
        frames = [read_image(data / f"{clip}/{frame}.png").rgb for frame in range(lengths[clip])]
        expected.append(
            float(color_consistency(torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2)[None]))
        )
    assert score["value"] == pytest.approx(np.mean(expected), rel=1e-4)
    assert score["low"] < score["value"] < score["high"]
    assert (score["images"], score["excluded"]) == (17, 4)


def test_results_of_equal_frames_are_measured_separately(tmp_path: Path) -> None:
    data, theirs = tmp_path / "data", tmp_path / "theirs"
    for frame in range(2):
        write_image(data / f"dog/{frame}.png", 0, (48, 64))
        write_image(theirs / f"dog/{frame}.png", frame, (48, 64))
    protocol = replace(load_protocol("davis-video"), subset=None, metrics=("psnr",))
    outcome = evaluate({"theirs": theirs}, data, protocol, interactions=(0,), resamples=10)
    first, second = (list(row.values())[-1] for row in outcome.per_image())
    assert first == float("inf") > second


def test_fid_of_clips_is_the_mean_over_clips(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = tmp_path / "features.pth"
    torch.save(timm.create_model("resnet10t", num_classes=0).state_dict(), network)
    protocol = replace(load_protocol("davis-video"), metrics=(f"fid:resnet10t={network}",))
    both = write_files(tmp_path / "both", ("dog/0.png", "dog/1.png", "goat/0.png", "goat/1.png"))
    values = []
    for clips in (("dog",), ("goat",), ("dog", "goat")):
        data = tmp_path / "-".join(clips)
        for clip in clips:
            shutil.copytree(both / clip, data / clip)
        report = tmp_path / f"report-{data.name}"
        evaluate(["gray"], data, protocol, output=report, interactions=(0,), resamples=10)
        values.append(next(iter(read_results(report)["gray", 0].values())))
    assert values[2] == pytest.approx((values[0] + values[1]) / 2, rel=1e-4)


def test_frames_outside_clips_and_cdc_without_clips_are_errors(tmp_path: Path) -> None:
    data = write_files(tmp_path / "data", ("dog/0.png", "stray.png"))
    with pytest.raises(DataError, match="one subfolder of frames for each clip"):
        select_images(data, load_protocol("davis-video"), None, None)
    with pytest.raises(DataError, match="cdc requires a protocol for clips"):
        choose_measures(load_protocol("automatic"), ("cdc",), torch.device("cpu"))
