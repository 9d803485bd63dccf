"""End-to-end evaluations: reproducibility, resumption, invalid input and the report."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from torch import Tensor

import colorzoo
from colorzoo.apps.cli.main import main
from colorzoo.color import rgb_to_lab
from colorzoo.errors import ColorzooError, DataError
from colorzoo.evaluation import Outcome, evaluate, images, methods
from colorzoo.evaluation import run as run_module
from colorzoo.evaluation.measures import COSTS, list_metrics
from colorzoo.evaluation.protocol import Protocol, Resize, load_protocol, parse_protocol
from colorzoo.evaluation.statistics import holm
from colorzoo.guidance import Guidance
from colorzoo.image_io.read import read_image
from colorzoo.inference.colorizer import Colorizer
from colorzoo.metrics import MeanPSNR
from colorzoo.metrics.named import all_metrics
from colorzoo.prediction import AbPrediction, clip_colors
from colorzoo.simulation import UniformPoints
from colorzoo.zoo.su2020.model import InstanceColorization
from tiny_evaluation import PROTOCOL, Plan, contents, evaluate_in_two_processes, write_image
from tiny_model import NAME, tiny_model, tiny_task

Run = Callable[..., Outcome]


def scores(folder: Path) -> dict[tuple[str, int], dict[str, Any]]:
    """Return the scores by method and interactions, with keys cut at the first underscore."""
    found = json.loads((folder / "results.json").read_text())["results"]
    return {
        (row["method"], row["interactions"]): {
            key.partition("_")[0] if not key.startswith("cdr_a") else "cdr_a": value
            for key, value in row["scores"].items()
            if not key.startswith("cdr_b")
        }
        for row in found
    }


def report(plan: Plan) -> str:
    return (plan.output / "report.html").read_text()


def test_fid_of_the_ground_truth_is_zero(run: Run, plan: Plan) -> None:
    torch.manual_seed(0)
    network = timm.create_model("resnet10t", num_classes=0)
    weights = plan.output.parent / "features.pth"
    torch.save(network.state_dict(), weights)
    changes: dict[str, Any] = {"metrics": (f"fid:resnet10t={weights}",)}
    run(models=("gray",), **changes)
    (alone,) = json.loads((plan.output / "results.json").read_text())["results"]
    run(models=("truth", "gray"), **changes)
    found = json.loads((plan.output / "results.json").read_text())
    assert found["results"][1] == alone
    (key,) = found["metrics"]
    assert re.fullmatch(r"fid_timm-resnet10t_176-bicubic_weights-[0-9a-f]{8}@squash32-bicubic", key)
    truth, gray = (row["scores"][key] for row in found["results"])
    assert [truth[name] for name in ("low", "value", "high")] == pytest.approx([0, 0, 0], abs=1e-6)
    assert gray["low"] < gray["value"] < gray["high"]
    assert gray["value"] > 1e-3
    for name in ("results.md", "report.html"):
        assert "jackknife" in (plan.output / name).read_text()


def test_repeated_evaluation_writes_identical_files(run: Run, plan: Plan) -> None:
    run()
    first = contents(plan.output)
    broken = next((plan.output / "cache").rglob("*.json"))
    broken.write_bytes(broken.read_bytes()[:100])  # truncated entries are recomputed
    run()
    assert contents(plan.output) == first  # from the cache
    run(output=plan.output.parent / "second")
    assert contents(plan.output.parent / "second") == first  # without a cache


@pytest.mark.nightly
def test_cached_values_are_computed_anew_after_a_change_of_the_source(run: Run, plan: Plan) -> None:
    changes: dict[str, Any] = {"models": ("gray",), "metrics": ("ab_rmse",)}
    protocol = plan.output.parent / "tiny.yaml"
    protocol.write_text(PROTOCOL)
    run(protocol=load_protocol(str(protocol)), **changes)
    before = scores(plan.output)["gray", 0]["ab"]["value"]
    package, changed = Path(colorzoo.__file__).parent, plan.output.parent / "checkout" / "src" / "colorzoo"
    changed.mkdir(parents=True)
    (changed.parents[1] / "CITATION.cff").symlink_to(package.parents[1] / "CITATION.cff")
    for path in package.iterdir():
        if path.name != "metrics":
            (changed / path.name).symlink_to(path)
    shutil.copytree(package / "metrics", changed / "metrics")
    with (changed / "metrics" / "ab_error.py").open("a") as stream:
        stream.write("\n\ndef squared_errors(image, target):\n    return torch.full((len(image),), 49.0)\n")
    words = ["evaluate", "--models", "gray", "--data", plan.data, "--protocol", protocol, "-o", plan.output]
    environment = {**os.environ, "PYTHONPATH": str(changed.parent)}
    command = [sys.executable, "-m", "colorzoo", *map(str, words), "--metrics", "ab_rmse"]
    subprocess.run(command, env=environment, check=True, cwd=changed.parent)
    assert before != 7
    assert scores(plan.output)["gray", 0]["ab"]["value"] == 7


def test_interrupted_evaluation_resumes_with_the_remaining_images(
    run: Run, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(output=plan.output.parent / "whole")
    original, done = run_module.evaluate_item, []

    def interrupted(setup: Any, methods: Any, item: Any, *rest: Any) -> None:
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(item.name)
        original(setup, methods, item, *rest)

    monkeypatch.setattr(run_module, "evaluate_item", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run()
    assert not (plan.output / "results.json").exists()
    monkeypatch.setattr(run_module, "evaluate_item", original)
    colored: list[str] = []
    colorize = run_module.colorize_with_protocol

    def recorded(protocol: Any, method: Any, item: Any, *rest: Any) -> Any:
        colored.append(item.name)
        return colorize(protocol, method, item, *rest)

    monkeypatch.setattr(run_module, "colorize_with_protocol", recorded)
    run()
    assert set(colored) == {"2.png", "3.png"}
    assert contents(plan.output) == contents(plan.output.parent / "whole")
    assert not list(plan.output.rglob("*.tmp"))


def test_evaluation_with_coloring_colorizer_scores_the_colorizer_output(run: Run, plan: Plan) -> None:
    name = "zhang2017_local_small"
    write_image(plan.data.parent / "one" / "0.png", 0, size=(256, 256))
    text = PROTOCOL.replace("size: 32", "size: 256").replace("[0, 3]", "[0]")
    changes = {"models": (name,), "data": plan.data.parent / "one", "metrics": ("psnr",)}

    def value(coloring: str) -> float:
        run(protocol=parse_protocol(f"{text}coloring: {coloring}\n", "tiny"), **changes)
        return float(scores(plan.output)[name, 0]["psnr"]["value"])

    image = Image.open(plan.data.parent / "one" / "0.png")
    colorizer = Colorizer(name, precision="float32")
    truth = torch.from_numpy(read_image(image).rgb).permute(2, 0, 1)[None]
    ours = torch.from_numpy(colorizer.colorize(read_image(image)).rgb).permute(2, 0, 1)[None]
    assert colorizer.size < 256
    assert value("colorizer") == pytest.approx(float(MeanPSNR()(ours, truth)), abs=1e-4)
    (plan.data.parent / "theirs").mkdir()
    colorizer(image).save(plan.data.parent / "theirs" / "0.png")
    protocol = parse_protocol(text, "tiny")
    (row,) = run(
        **{**changes, "models": {"theirs": plan.data.parent / "theirs"}, "protocol": protocol}
    ).table()
    assert value("colorizer") == pytest.approx(row["psnr_rgb_8bit_mean@squash256-bicubic"], abs=1e-4)
    assert abs(value("network") - value("colorizer")) > 1e-3  # despite the shared cache
    manifest = json.loads((plan.output / "manifest.json").read_text())
    assert manifest["methods"][0]["size"] == f"{colorizer.size} pixels"


@pytest.mark.nightly
def test_evaluation_in_two_processes_writes_identical_files(run: Run, plan: Plan) -> None:
    run()
    two = replace(plan, output=plan.output.parent / "two")
    assert evaluate_in_two_processes(two) == [0, 0]
    assert contents(two.output) == contents(plan.output)


def test_evaluation_skips_and_reports_undecodable_images(run: Run, plan: Plan) -> None:
    (plan.data / "1.png").write_bytes((plan.data / "1.png").read_bytes()[:500])
    (plan.data / "<b>.png").write_bytes(b"")
    outcome = run()
    assert [name for name, _ in outcome.skipped] == ["1.png", "<b>.png"]
    assert "&lt;b&gt;.png" in report(plan)
    assert "<b>" not in report(plan)
    assert all("cannot be decoded" in reason and "\n" not in reason for _, reason in outcome.skipped)
    found = json.loads((plan.output / "results.json").read_text())
    assert (found["images"], found["skipped"]) == (3, 2)


def test_evaluation_of_results_folder_skips_unusable_images(run: Run, plan: Plan, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    for index in range(4):
        write_image(theirs / f"{index}.png", index)
    run(models=(f"theirs={theirs}", "truth"), compare=[("theirs", "truth")])
    assert scores(plan.output)["theirs", 0]["psnr"]["value"] == "inf"
    write_image(theirs / "1.png", 1, size=(20, 24))
    (theirs / "2.png").unlink()
    outcome = run(models=(f"theirs={theirs}", "truth"))
    reasons = dict(outcome.skipped)
    assert "24 x 20" in reasons["1.png"]
    assert "48 x 40" in reasons["1.png"]
    assert "2.png" in reasons["2.png"]
    assert scores(plan.output)["truth", 0]["psnr"]["exact"] == 2  # skipped for all methods


def test_skipped_images_are_evaluated_again(run: Run, plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cause can have been removed, such as missing memory or an interrupted network drive."""
    with monkeypatch.context() as patch:
        patch.setattr(images, "decode_rgb", lambda _: (_ for _ in ()).throw(MemoryError("no memory")))
        with pytest.raises(DataError, match="no memory"):
            run()
    outcome = run()
    assert (outcome.skipped, len(outcome.per_image())) == ((), 16)


def test_existing_results_are_compared_by_name_after_images_were_renamed(
    run: Run, plan: Plan, tmp_path: Path
) -> None:
    theirs = tmp_path / "theirs"
    for index in range(4):
        write_image(theirs / f"{index}.png", index)
    run(models={"theirs": theirs})
    write_image(plan.data / "0.png", 1)
    write_image(plan.data / "1.png", 0)
    run(models={"theirs": theirs})
    assert scores(plan.output)["theirs", 0]["psnr"]["exact"] == 2


def test_result_in_a_folder_is_the_only_image_with_the_name(run: Run, plan: Plan, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    for index in range(4):
        write_image(theirs / f"{index}.png", index)
    write_image(theirs / "0.tif", 9)
    (theirs / "1.xmp").write_text("a provenance record")
    (theirs / "2.png").rename(theirs / "2.bmp")
    write_image(theirs / "2.tif", 9)
    outcome = run(models=(f"theirs={theirs}",))
    ((name, reason),) = outcome.skipped
    assert (name, "2.bmp, 2.tif" in reason) == ("2.png", True)
    assert scores(plan.output)["theirs", 0]["psnr"]["exact"] == 3


def test_evaluate_accepts_a_folder_of_save_pretrained(run: Run, plan: Plan, tmp_path: Path) -> None:
    model = tiny_model()
    model.save_pretrained(tmp_path / "saved")
    outcome = run(models={"saved": tmp_path / "saved", "own": model}, interactions=(0,))
    first, second = ({**row, "method": ""} for row in outcome.per_image()[::4])
    assert first == second


def test_evaluate_compares_objects_files_and_registered_models(
    image_folder: Path, tiny_weights: Path, tmp_path: Path
) -> None:
    """All sources of the same weights have equal values; no file is written and no object is changed."""
    task = tiny_task()
    task.train()
    models = {
        "task": task,
        "model": tiny_model(),
        "file": tiny_weights,
        NAME: tiny_weights,
        "other": tiny_model(1),
    }
    outcome = evaluate(
        {**models, "gray": None}, image_folder, parse_protocol(PROTOCOL, "tiny"), resamples=100
    )
    rows = {(row.pop("method"), row.pop("interactions")): row for row in outcome.table()}
    assert list(rows) == [(name, count) for name in models for count in (0, 3)] + [("gray", 0)]
    for count in (0, 3):
        assert rows["task", count] == rows["model", count] == rows["file", count] == rows[NAME, count]
        assert rows["other", count] != rows["task", count]
    key = "psnr_rgb_8bit_mean@squash32-bicubic"
    images = [row[key] for row in outcome.per_image() if (row["method"], row["interactions"]) == ("task", 3)]
    assert len(images) == 4
    assert sum(images) / 4 == pytest.approx(rows["task", 3][key], rel=1e-6)
    assert task.model.training
    assert {path.name for path in tmp_path.iterdir()} == {"photos"}


def test_comparison_without_automatic_results_omits_zero_interactions(run: Run) -> None:
    outcome = run(interactions=(1, 3), metrics=("psnr",), compare=[(NAME, "gray")])
    assert outcome.summary is not None
    key = "psnr_rgb_8bit_mean@squash32-bicubic"
    values = {(row["method"], row["interactions"]): row[key] for row in outcome.table()}
    expected = {count: values[NAME, count] - values["gray", 0] for count in (1, 3)}
    found = {each.count: each.difference.estimate.value for each in outcome.summary.comparisons}
    assert found == pytest.approx(expected)


def test_model_equals_its_own_saved_results_in_every_metric(run: Run, plan: Plan, tmp_path: Path) -> None:
    """Files store 8 bits, so all metrics of named models are computed from 8 bits, too."""
    names = sorted(
        set(list_metrics()) - {name for name, found in all_metrics().items() if found.default_network}
    )
    names = [name for name in names if name not in {"cdc", *COSTS}]  # cdc compares the frames of clips
    for index in range(4, 8):  # images of the size of the protocol
        write_image(plan.data / f"{index}.png", index)
    protocol = parse_protocol(PROTOCOL.replace("{mode: squash, size: 32}", "{mode: none}"), "tiny")
    model = tiny_model()
    for item in (plan.data / f"{index}.png" for index in range(8)):
        lab = rgb_to_lab(torch.from_numpy(np.array(Image.open(item))).permute(2, 0, 1)[None] / 255)
        with torch.inference_mode():
            rgb, _ = clip_colors(model(lab[:, :1], Guidance()), lab[:, :1])
        (tmp_path / "saved").mkdir(exist_ok=True)
        levels = (rgb[0].permute(1, 2, 0) * 255).round().byte().numpy()
        Image.fromarray(levels).save(tmp_path / "saved" / item.name)
    outcome = run(
        models={"named": model, "saved": tmp_path / "saved"},
        protocol=replace(protocol, coloring="network", interactions=(0,)),
        metrics=names,
        compare=[("named", "saved")],
    )
    first, second = ({**row, "method": 0} for row in outcome.table())
    assert first == pytest.approx(second, rel=1e-12, nan_ok=True)
    assert outcome.summary is not None
    assert len(outcome.summary.comparisons) > 10
    assert not any(each.significant for each in outcome.summary.comparisons)


def test_all_comparisons_of_a_report_are_corrected_jointly(run: Run, plan: Plan) -> None:
    for index in range(4, 9):
        write_image(plan.data / f"{index}.png", index)
    pairs = [("other", "gray"), (NAME, "gray"), (NAME, "other")]
    models = {**plan.models, "other": tiny_model(1)}
    found = run(models=models, metrics=("psnr", "ab_rmse"), compare=pairs[:2]).summary.comparisons
    assert [(each.methods, each.count) for each in found[::2]] == [
        (pair, count) for pair in pairs[:2] for count in (0, 3)
    ]
    assert [each.adjusted for each in found] == holm([each.difference.p_value for each in found])
    by_baseline = run(models=models, metrics=("psnr",), baseline="other", compare=pairs[:1]).summary
    assert [each.methods for each in by_baseline.comparisons[::2]] == [pairs[0], pairs[2]]
    page = report(plan)
    assert (
        page.count(f"{NAME} minus other") == page.count("other minus gray") == 4
    )  # cells and their sort keys
    listed = json.loads((plan.output / "results.json").read_text())["comparisons"]
    assert [each["methods"] for each in listed[::2]] == [["other", "gray"], [NAME, "other"]]


def test_compared_methods_of_the_command_line_are_repeatable(
    plan: Plan, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    protocol = tmp_path / "tiny.yaml"
    protocol.write_text(PROTOCOL)
    words = ["evaluate", "--data", plan.data, "--protocol", protocol, "-o", tmp_path / "out"]
    words += ["--metrics", "psnr", "--compare", f"{NAME}={plan.models[NAME]}", "gray"]
    words += ["--compare", "welsh2002", "gray", "--baseline", "gray"]
    assert main([str(word) for word in words]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if " minus gray" in line]
    row = f"{NAME}={plan.models[NAME].name}"
    assert [line.partition(" minus")[0] for line in lines] == [row, row, "welsh2002"]
    assert all("too few images" in line for line in lines)


def test_repeated_users_are_averaged_for_each_image(run: Run, plan: Plan) -> None:
    """The value of an image is the mean over users with different points, and more users change less."""
    key = "psnr_rgb_8bit_mean@squash32-bicubic"

    def values(protocol: Protocol, **changes: Any) -> np.ndarray:
        found = run(models={NAME: plan.models[NAME]}, metrics=("psnr",), protocol=protocol, **changes)
        return np.array([row[key] for row in found.per_image()]).reshape(2, -1)

    alone = values(plan.protocol)
    repeated = values(plan.protocol, repeats=3)
    assert repeated[0] == pytest.approx(alone[0])  # without points
    assert np.abs(repeated[1] - alone[1]).min() > 1e-3
    users = [alone[1]]
    original = UniformPoints.begin
    for number in (1, 2):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                UniformPoints,
                "begin",
                lambda user, target, *rest, n=number: original(
                    user, replace(target, seed=target.seed + n), *rest
                ),
            )
            users.append(values(replace(plan.protocol, seed=0, name=f"user-{number}"), output=None)[1])
    assert repeated[1] == pytest.approx(np.mean(users, axis=0))
    assert json.loads((plan.output / "manifest.json").read_text())["repeats"] == 3


def test_intervals_and_tests_resample_groups_of_images(run: Run, plan: Plan, tmp_path: Path) -> None:
    """Copies of images in the groups of their originals change neither intervals nor p-values."""
    for index in range(4, 7):
        write_image(plan.data / f"{index}.png", index)
    changes: dict[str, Any] = {"interactions": (0,), "metrics": ("psnr",), "compare": [(NAME, "gray")]}
    alone = run(**changes).summary
    for index in range(7):
        shutil.copy(plan.data / f"{index}.png", plan.data / f"{index}-copy.png")
    (tmp_path / "groups.csv").write_text(
        "image,group\n" + "".join(f"{i}.png,{i}\n{i}-copy.png,{i}\n" for i in range(7))
    )
    outcome = run(groups=tmp_path / "groups.csv", **changes)
    grouped = outcome.summary
    assert alone is not None
    assert grouped is not None
    for one, other in zip(alone.rows, grouped.rows, strict=True):
        for key, score in one.scores.items():
            expected = pytest.approx(vars(score.estimate), nan_ok=True)
            assert vars(other.scores[key].estimate) == expected
    p_values = [summary.comparisons[0].difference.p_value for summary in (alone, grouped)]
    assert p_values[0] == pytest.approx(p_values[1])
    assert {row["group"] for row in outcome.per_image()} == {str(index) for index in range(7)}
    (tmp_path / "groups.csv").write_text("image,group\n0.png,a\n")
    with pytest.raises(DataError, match=r"must list a group for each image, got none for '0-copy.png'"):
        run(groups=tmp_path / "groups.csv", **changes)


def test_values_that_do_not_exist_are_neither_compared_nor_on_a_curve(run: Run) -> None:
    """Without points, no pixel is near a point."""
    summary = run(
        metrics=("ab_rmse_near",), interactions=(0, 1, 3), compare=[(NAME, "gray"), (NAME, "truth")]
    ).summary
    assert summary is not None
    assert summary.comparisons == ()
    values = [row.scores["ab_rmse_within_16_px_mean"].estimate.value for row in summary.rows[:3]]
    assert np.isnan(values[0])
    (area,) = summary.curves
    assert area.estimate.value == pytest.approx((values[1] + values[2]) / 2)  # from 1 to 3


def test_selected_columns_have_a_row_for_each_method(run: Run, plan: Plan) -> None:
    summary = run(
        metrics=("psnr", "ssim", "parameters"),
        columns=("psnr@0", "psnr@3", "ssim", "parameters"),
        goals=[("psnr", 5.0)],
    ).summary
    assert summary is not None
    table = (plan.output / "results.md").read_text().split("\n\n")[0].splitlines()
    heading = "| method | PSNR (0) [dB] ↑ | PSNR (3) [dB] ↑ | SSIM ↑ | Parameters [M] |"
    assert table[0] == heading
    rows = {line.split(" | ")[0][2:]: line.strip("| ").split(" | ")[1:] for line in table[2:]}
    assert list(rows) == [NAME, "gray", "truth"]
    scores = {(row.method, row.count): row.scores for row in summary.rows}
    psnr, ssim = "psnr_rgb_8bit_mean", "ssim_rgb_gauss11_mean"
    expected = [scores[NAME, 0][psnr], scores[NAME, 3][psnr], scores[NAME, 3][ssim]]
    found = [float(cell.split()[0].strip("*")) for cell in rows[NAME][:3]]
    assert found == pytest.approx([score.estimate.value for score in expected], abs=0.006)
    assert rows["gray"][1] == "—"  # no result after three points
    assert {line.count(" & ") for line in (plan.output / "results.tex").read_text().splitlines()
            if line.endswith(r"\\")} == {4}  # fmt: skip
    assert "—" not in (plan.output / "results.tex").read_text()
    assert "to" not in rows[NAME][3]  # the number of parameters has no interval
    curves = json.loads((plan.output / "results.json").read_text())["curves"]
    assert [(each["method"], each["goal"]) for each in curves] == [(NAME, None), (NAME, 5.0), (NAME, None)]
    assert "number for 5 dB PSNR" in report(plan)
    for changes, message in (
        ({"columns": ("psnr@7",)}, "--columns must use the interactions 0, 3, got 'psnr@7'"),
        ({"columns": ("lpips",)}, "the metric must be one of the report .*'lpips'"),
        ({"goals": [("fid", 3.0)]}, "'fid'"),
        ({"repeats": 0}, "--repeats must be at least 1, got 0"),
    ):
        with pytest.raises(DataError, match=message):
            run(metrics=("psnr",), **changes)


def test_costs_are_columns_without_comparisons(run: Run, plan: Plan) -> None:
    found = run(metrics=("psnr", "parameters", "gflops", "seconds"), compare=[(NAME, "gray")])
    rows = {(row["method"], row["interactions"]): list(row.values())[3:] for row in found.table()}
    model = tiny_model()
    parameters = sum(each.numel() for each in model.parameters())
    with torch.utils.flop_counter.FlopCounterMode(display=False) as counter:
        model(torch.full((1, 1, 32, 32), 50.0), Guidance())
    for count in (0, 3):
        millions, gflops, seconds = rows[NAME, count]
        assert millions == pytest.approx(parameters / 1e6)
        # with the conversion to Lab
        assert gflops == pytest.approx(counter.get_total_flops() / 1e9, rel=0.01)
        assert 0 < seconds < 60
    assert found.summary is not None
    assert {each.output.title for each in found.summary.comparisons} == {"PSNR"}
    assert np.isnan(rows["truth", 0]).all()


def test_report_of_another_protocol_is_not_replaced(run: Run, plan: Plan) -> None:
    run(models=("gray",), metrics=("psnr",))
    before = contents(plan.output)
    for protocol in (replace(plan.protocol, name="other"), replace(plan.protocol, version=4)):
        with pytest.raises(DataError, match="contains a report of protocol tiny-hints/3, not"):
            run(models=("gray",), metrics=("psnr",), protocol=protocol)
    assert contents(plan.output) == before
    run(models=("gray",), metrics=("ab_rmse",))  # the same protocol with other metrics


def test_notes_and_best_values_are_in_both_tables(
    run: Run, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLORZOO_OFFLINE", "1")
    monkeypatch.setenv("TORCH_HOME", str(plan.output))
    protocol = replace(plan.protocol, metrics=("psnr", "lpips"))
    models = {**plan.models, "other": tiny_model(1)}
    summary = run(protocol=protocol, models=models).summary
    assert summary is not None
    markdown, latex = ((plan.output / f"results.{end}").read_text() for end in ("md", "tex"))
    best = summary.best["psnr_rgb_8bit_mean", 3]
    row = next(row for row in summary.rows if row.count == 3 and row.method in best)
    value = f"{row.scores['psnr_rgb_8bit_mean'].estimate.value:.2f}"
    for text, bold in ((markdown, f"**{value}**"), (latex, rf"\textbf{{{value}}}")):
        assert "lpips was skipped" in text
        assert bold in text
        assert "Bold values are the best" in text


def test_changed_settings_of_a_protocol_are_named_in_all_files(run: Run, plan: Plan) -> None:
    protocol = replace(load_protocol("zhang2017-hints"), seed=1, resize=Resize("squash", 32))
    outcome = run(protocol=protocol, metrics=("psnr",), interactions=(0,))
    label = "zhang2017-hints/3 (changed: resize.size, seed)"
    for name in ("results.json", "results.md", "results.tex", "report.html", "manifest.json"):
        assert label in (plan.output / name).read_text()
    assert any(label in note for note in outcome.notes)


def test_cache_does_not_return_values_of_a_changed_object(run: Run, plan: Plan) -> None:
    model = tiny_model()
    first = run(models={"mine": model}).table()
    assert run(models={"mine": model}).table() == first
    for parameter in model.parameters():
        parameter.data.mul_(0.5)
    assert run(models={"mine": model}).table() != first


def test_values_of_an_own_metric_change_with_its_file(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key of the report is the import path, and a metric of two numbers is an error of one line."""
    monkeypatch.syspath_prepend(tmp_path)
    file, text = (
        tmp_path / "own_metric_file.py",
        (
            "import torch, torchmetrics\n"
            "class Own(torchmetrics.Metric):\n"
            "    def update(self, rgb): pass\n"
            "    def compute(self): return torch.{}\n"
        ),
    )
    changes: dict[str, Any] = {"models": ("gray",), "metrics": ("own_metric_file.Own",)}
    for value in (3.0, 4.0):
        file.write_text(text.format(f"tensor({value})"))
        os.utime(file, (value, value))  # Python compares the time with the compiled file
        (row,) = run(**changes).table()
        assert row["own_metric_file.Own@squash32-bicubic"] == value
        del sys.modules["own_metric_file"]
    file.write_text(text.format("zeros(2)"))
    with pytest.raises(DataError, match=r"own_metric_file\.Own must compute one number"):
        run(**changes)


def test_evaluate_refuses_weight_files_that_do_not_fit_before_the_first_image(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_module, "evaluate_item", lambda *_: pytest.fail("an image was evaluated"))
    torch.save({"a": torch.zeros(1)}, tmp_path / "a.pth")
    with pytest.raises(ColorzooError, match=r"does not name its model"):
        run(models={"mine": tmp_path / "a.pth"})
    with pytest.raises(ColorzooError, match=r"a\.pth"):
        run(models={"gray": None, NAME: tmp_path / "a.pth"})


def test_report_html_has_no_external_resources(run: Run, plan: Plan) -> None:
    run(compare=[(NAME, "gray")])
    page = report(plan)
    assert len(page) < 2e6
    assert re.findall(r"""(?:src|href)=["'](?!data:)""", page) == []
    assert "@import" not in page
    for part in (
        'against interactions" src="data:image/svg+xml',
        "aria-sort",
        "Worst images",
        "tiny-hints/3",
        "psnr_rgb_8bit_mean@squash32-bicubic",
    ):
        assert part in page


def test_exemplar_protocol_reads_references_from_pairs_csv(run: Run, plan: Plan) -> None:
    protocol = load_protocol("spcolor-exemplar")
    with pytest.raises(DataError, match=r"pairs\.csv"):
        run(protocol=protocol, metrics=("histogram_intersection",))
    (plan.data / "pairs.csv").write_text("target,reference\n0.png,1.png\n2.png,3.png\n")
    outcome = run(protocol=protocol, metrics=("histogram_intersection",))
    assert outcome.summary is not None
    assert [item.name for item in outcome.summary.items] == ["0.png", "2.png"]
    assert all(item.reference_sha256 for item in outcome.summary.items)
    pair = next(row for row in outcome.summary.rows if row.method == NAME and row.count == 0)
    (plan.data / "pairs.csv").write_text("target,reference\n" + "0.png,1.png\n2.png,3.png\n" * 2)
    repeated = run(protocol=protocol, metrics=("histogram_intersection",)).summary
    assert repeated is not None
    row = next(row for row in repeated.rows if row.method == NAME and row.count == 0)
    for key, score in pair.scores.items():  # two targets, not four independent images
        assert vars(row.scores[key].estimate) == pytest.approx(vars(score.estimate))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"models": ("zhang2017_local_smal",)}, "zhang2017_local_small"),
        ({"models": ("truth", "truth")}, "twice"),
        ({"models": ("theirs=nowhere",)}, "nowhere"),
        ({"metrics": ("psnrr",)}, "psnr"),
        ({"metrics": ("lpips",)}, "alexnet"),
        ({"compare": [("gray", "gray")]}, "twice"),
        ({"data": Path("nowhere")}, "does not exist"),
        (
            {"protocol": parse_protocol(PROTOCOL.replace("[psnr, cdr, colorfulness]", "[lpips]"), "")},
            "all metrics of the protocol were skipped",
        ),
        ({"metrics": ("fid=nowhere",)}, "'nowhere' .* does not exist"),
        ({"models": {"fid": "nowhere"}}, "'fid' does not exist: 'nowhere'"),
        ({"models": {"truth": "."}}, "baseline"),
        ({"models": {"mine": 3}}, "'mine' must be None, a path"),
        ({"models": {}}, "at least one"),
        ({"baseline": "nobody"}, "--baseline must list rows .*'nobody'"),
        ({"models": {"gray": None}, "compare": [("gray", "mine")]}, "--compare must list rows .*'mine'"),
        ({"interactions": (-1,)}, "from 0"),
    ],
)
def test_evaluation_raises_one_line_errors_for_invalid_plans(
    run: Run, changes: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("COLORZOO_OFFLINE", "1")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(ColorzooError, match=message) as caught:
        run(**changes)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"models": ("zhang2016", "nope", "gray")},
        {"models": ("zhang2016", "theirs=nowhere")},
        {"models": ("zhang2016", "zhang2016")},
        {"models": {"zhang2016": None, "mine": "nowhere.pth"}},
        {"models": ("zhang2016", "nope=tests/conftest.py")},
        {"models": ("gray",), "metrics": ("lpips", "psnrr")},
        {"models": ("nope",), "metrics": ("lpips",)},
    ],
)
def test_evaluation_validates_the_plan_before_the_first_download(
    run: Run, changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    downloads: list[str] = []
    for function in ("pooch.retrieve", "colorzoo.metrics.feature_networks._download"):
        monkeypatch.setattr(function, lambda url, *_, **__: downloads.append(url) or "no network")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(ColorzooError, match=r"nope|nowhere|twice|psnrr"):
        run(**changes)
    assert not downloads


def test_evaluation_fails_without_readable_images(run: Run, plan: Plan, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no image"):
        run(data=tmp_path / "empty")
    for path in plan.data.iterdir():
        path.write_bytes(b"no image")
    with pytest.raises(DataError, match="no image could be evaluated"):
        run()
    assert not (plan.output / "results.json").exists()


def boxed_plan(folder: Path, output: Path, protocol: str = "su2020-images") -> Plan:
    loaded = load_protocol(protocol)
    return Plan(["su2020_small", "gray"], folder, loaded, output, metrics=("psnr",), resamples=2)


@pytest.fixture
def used_boxes(monkeypatch: pytest.MonkeyPatch) -> list[Tensor]:
    """Return a list to which each call of the network appends its boxes ``(K, 4)``."""
    used: list[Tensor] = []
    forward = InstanceColorization.forward

    def noted(
        self: InstanceColorization, lightness: Tensor, guidance: Guidance | None = None
    ) -> AbPrediction:
        assert guidance is not None
        assert guidance.boxes is not None
        used.append(guidance.boxes.corners[0][guidance.boxes.given[0] > 0])
        return forward(self, lightness, guidance)

    monkeypatch.setattr(InstanceColorization, "forward", noted)
    return used


def test_su2020_protocol_passes_the_boxes_of_boxes_csv_to_the_network(
    image_folder: Path, tmp_path: Path, used_boxes: list[Tensor]
) -> None:
    """Boxes are in pixels of images of 48 x 40 pixels, and images without rows have no boxes."""
    rows = ["0.png,12,4,36,30", *(f"1.png,0,0,{20 + right},20" for right in range(10))]
    (image_folder / "boxes.csv").write_text("\n".join(["image,left,top,right,bottom", *rows]))
    boxed_plan(image_folder, tmp_path / "report").run()
    assert [len(boxes) for boxes in used_boxes] == [1, 8, 0, 0]
    assert used_boxes[0].flatten().tolist() == pytest.approx([0.25, 0.1, 0.75, 0.75])


def test_su2020_protocol_uses_a_detector_without_boxes_csv(
    image_folder: Path, tmp_path: Path, used_boxes: list[Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    build = methods.create_coloring_model

    def with_detector(*given: Any) -> Any:
        model: Any = build(*given)
        model.detector = lambda gray: (
            torch.tensor([[0, 0, gray.shape[-1] / 2, gray.shape[-2]]]),
            torch.ones(1),
        )
        return model

    monkeypatch.setattr(methods, "create_coloring_model", with_detector)
    boxed_plan(image_folder, tmp_path / "report").run()
    assert [boxes.tolist() for boxes in used_boxes] == 4 * [[[0.0, 0.0, 0.5, 1.0]]]


def test_su2020_protocol_requires_boxes(image_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(
        ColorzooError, match=r"su2020-images requires boxes for su2020_small\. Create boxes\.csv"
    ):
        boxed_plan(image_folder, tmp_path / "report").run()
    other = boxed_plan(image_folder, tmp_path / "other", "zhang2017-automatic").run()
    assert [note for note in other.notes if note.startswith("su2020_small ran without boxes")]
