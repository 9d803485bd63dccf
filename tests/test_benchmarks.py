"""The harness of ``benchmarks/``: rows, exit codes, JSON, scanning. Nothing here measures time."""

import importlib
import json
import math
import runpy
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
KEYS = ["claim", "ours", "reference", "ratio", "goal", "better", "where"]

FAKE = """
from benchmarks._harness import Row, SkippedError, share_of, times_faster

def run(options):
    if options.data is None:
        raise SkippedError("give --data")
    return [times_faster("speed", 1.0, {reference}, 2.0, "here"), share_of("cost", 1.0, 100.0, 0.05, "here")]
"""


@pytest.fixture
def harness(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT))
    return importlib.import_module("benchmarks._harness")


@pytest.fixture
def fakes(harness: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    folder = tmp_path / "fake_benchmarks"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "_private.py").touch()
    (folder / "good.py").write_text(FAKE.format(reference=3.0))
    (folder / "slow.py").write_text(FAKE.format(reference=1.5))
    monkeypatch.syspath_prepend(str(tmp_path))
    yield importlib.import_module("fake_benchmarks")
    for name in [name for name in sys.modules if name.startswith("fake_benchmarks")]:
        del sys.modules[name]


@pytest.fixture
def main(harness: ModuleType):
    return importlib.import_module("benchmarks.__main__").main


def test_reached_goals_exit_0_and_fill_the_json(main, fakes, tmp_path, capsys) -> None:
    target = tmp_path / "rows.json"
    assert main(["good", "--data", str(tmp_path), "--json", str(target)], fakes) == 0
    assert "BELOW" not in capsys.readouterr().out
    speed, cost = json.loads(target.read_text())
    assert list(speed) == KEYS
    assert (speed["ratio"], speed["better"]) == (3.0, "higher")
    assert (cost["ratio"], cost["better"]) == (0.01, "lower")


def test_one_row_below_its_goal_prints_below_and_exits_1(main, fakes, tmp_path, capsys) -> None:
    assert main(["--data", str(tmp_path)], fakes) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.startswith("BELOW") for line in lines] == [False, False, True, False]


def test_a_benchmark_without_what_it_needs_is_skipped_aloud(main, fakes, capsys) -> None:
    assert main(["good"], fakes) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "skipped fake_benchmarks.good: give --data" in captured.err


def test_an_unknown_name_lists_the_known_ones(main, fakes, capsys) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["god"], fakes)
    assert exit_.value.code == 2
    assert "no benchmark god; there are good, slow" in capsys.readouterr().err


def test_every_module_of_the_package_is_found_and_can_run(harness) -> None:
    module = importlib.import_module("benchmarks.__main__")
    package = importlib.import_module("benchmarks")
    names = module.find_benchmarks(package)
    expected = {path.stem for path in (ROOT / "benchmarks").glob("*.py") if path.stem[0] != "_"}
    assert set(names) == expected
    assert "inference" in names
    assert all(callable(importlib.import_module(f"benchmarks.{name}").run) for name in names)


def test_a_ratio_that_is_no_number_never_reaches_its_goal(harness) -> None:
    for better in ("higher", "lower"):
        assert not harness.Row("claim", 1.0, 1.0, math.nan, 1.0, better, "here").reached


def test_calls_are_timed_in_turn_and_warm_ups_are_not_counted(harness, monkeypatch) -> None:
    clock = iter([0, 100, 0, 100, *[0, 1, 0, 10], *[0, 2, 0, 30], *[0, 9, 0, 20]])
    monkeypatch.setattr(harness.time, "process_time", lambda: next(clock))
    order: list[str] = []
    calls = {"ours": lambda: order.append("ours"), "reference": lambda: order.append("reference")}
    assert harness.time_in_turn(calls, runs=3, warmup=1) == {"ours": 2, "reference": 20}
    assert order == ["ours", "reference"] * 4


def test_rivals_of_bicubic_keep_what_needs_no_edge(harness) -> None:
    import torch

    upsampling = importlib.import_module("benchmarks.upsampling")
    ab = torch.tensor([7.0, -3.0]).view(1, 2, 1, 1).expand(1, 2, 6, 8)
    luma, guide = torch.full((1, 1, 6, 8), 50.0), torch.full((1, 1, 12, 16), 50.0)
    for way in (upsampling.bicubic, upsampling.guided_filter, upsampling.joint_bilateral):
        large = way(ab, luma, guide)
        assert large.shape == (1, 2, 12, 16)
        torch.testing.assert_close(large, ab[:, :, :1, :1].expand(1, 2, 12, 16))


def test_joint_bilateral_follows_the_edge_of_the_guide(harness) -> None:
    import torch

    upsampling = importlib.import_module("benchmarks.upsampling")
    left = (torch.arange(8) < 4).float()
    small = left.expand(1, 1, 8, 8)
    large = (torch.arange(16) < 8).float().expand(1, 1, 16, 16)
    ab = (small * 20).expand(1, 2, 8, 8)
    truth = (large * 20).expand(1, 2, 16, 16)
    error = {
        way.__name__: float((way(ab, small * 80, large * 80) - truth).abs().mean())
        for way in (upsampling.bicubic, upsampling.joint_bilateral)
    }
    assert error["joint_bilateral"] < 0.1 * error["bicubic"]


def test_the_loop_draws_square_patches_of_mean_color(harness) -> None:
    import numpy as np
    import torch

    guidance = importlib.import_module("benchmarks.guidance")
    ab = torch.randn(40, 2, 24, 30)
    hints, mask = guidance.simulate_in_a_loop(ab, np.random.default_rng(0))
    assert (hints * (1 - mask)).abs().max() == 0
    assert set(mask.unique().tolist()) == {0.0, 1.0}
    assert 0.02 < float((mask.amax(dim=(1, 2, 3)) == 0).float().mean()) < 0.4  # P(0 points) is 1 / 8


def test_kmeans_filters_answer_to_the_clusters_of_the_patches(harness) -> None:
    import torch

    kmeans = importlib.import_module("benchmarks._kmeans")
    random = torch.Generator().manual_seed(0)
    directions = torch.linalg.qr(torch.randn(6, 6, generator=random)).Q
    patches = torch.cat([directions, -directions]).repeat(50, 1)
    patches = patches + 0.02 * torch.randn(patches.shape, generator=random)
    filters = kmeans.kmeans_filters(patches, 12, random)
    rivals = torch.randn(12, 6, generator=random)
    best = [torch.cosine_similarity(patches[:, None], f, dim=2).amax(1).mean() for f in (filters, rivals)]
    assert best[0] > best[1] + 0.1


def test_kmeans_leaves_every_channel_with_variance_1(harness) -> None:
    import torch

    kmeans = importlib.import_module("benchmarks._kmeans")
    task = importlib.import_module("colorzoo.zoo.zhang2016.network")
    random = torch.Generator().manual_seed(0)
    network = task.DistributionNetwork(0.125).train()
    luma = 100 * torch.rand(8, 1, 32, 32, generator=random)
    kmeans.kmeans_initialize(network, network, luma, random)
    with torch.no_grad():
        variance, mean = torch.var_mean(network.logits(luma), dim=(0, 2, 3))
    torch.testing.assert_close(variance, torch.ones(313), atol=1e-2, rtol=0)
    torch.testing.assert_close(mean, torch.full((313,), 0.1), atol=1e-2, rtol=0)


def test_aged_photos_are_seen_old_and_judged_as_they_are(tmp_path) -> None:
    import torch
    from benchmarks import look
    from benchmarks._harness import Options
    from PIL import Image

    from colorzoo.testing.samples import sample_image

    levels = (sample_image((300, 280))[0] * 255).to(torch.uint8).permute(1, 2, 0).numpy()
    Image.fromarray(levels).save(tmp_path / "photo.png")
    seen: list[torch.Tensor] = []

    def color_nothing(luma: torch.Tensor) -> SimpleNamespace:
        seen.append(luma)
        return SimpleNamespace(ab=luma.new_zeros(1, 2, *luma.shape[-2:]))

    scores = [look.measure(color_nothing, Options(data=tmp_path, aged=aged))[0] for aged in (False, True)]
    assert scores[0]["GrayGain"] == scores[1]["GrayGain"] == pytest.approx(0, abs=1e-3)
    assert (seen[0] - seen[1]).abs().mean() > 1


def test_the_look_of_gray_is_gray(main, tmp_path, capsys) -> None:
    import torch
    from PIL import Image

    from colorzoo.testing.samples import sample_image

    pictures = sample_image((300, 280), batch=3)
    pictures[:, :, :150] = 0.5  # without a neutral area there is no chroma on it
    for index, rgb in enumerate(pictures):
        levels = (rgb * 255).to(torch.uint8).permute(1, 2, 0).numpy()
        Image.fromarray(levels).save(tmp_path / f"{index}.png")
    target = tmp_path / "rows.json"
    words = ["look", "--model", "gray", "--data", str(tmp_path), "--pictures", "2", "--json", str(target)]
    assert main(words) == 1
    rows = json.loads(target.read_text())
    assert [row["ours"] for row in rows] == pytest.approx([0] * 5, abs=0.05)
    assert all(row["where"].startswith("gray at strength 1, 2 photos") for row in rows)
    verdicts = [line[:5] for line in capsys.readouterr().out.splitlines()]
    assert verdicts == ["ok   ", "BELOW", "ok   ", "ok   ", "BELOW"]


def test_regions_are_as_pure_as_their_largest_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    purity = importlib.import_module("benchmarks.studies.parts").purity
    regions, true = np.array([7, 7, 7, 7, 2, 2]), np.array([1, 1, 1, 5, 5, 5])
    assert purity(regions, true) == pytest.approx(((3 / 4 + 1) / 2, 5 / 6))
    assert purity(true, true) == (1, 1)


@pytest.mark.parametrize(
    ("tool", "words", "said"),
    [
        ("studies.needs", ["--data", "nowhere"], "nowhere holds no *.jpg"),
        ("studies.classes", ["video", "--frames", "nowhere"], "nowhere holds no *.jpg"),
        ("studies.classes", ["smp"], "smp needs --coco"),
        ("studies.parts", ["--data", "nowhere"], "holds no *.jpg"),
        ("pages.edges", ["--data", "nowhere"], "coffee.jpg"),
        ("pages.walks", ["walk_moon"], "nothing is named walk_moon; there are walk_portrait"),
    ],
)
def test_tools_name_what_is_missing(harness, monkeypatch, capsys, tool, words, said) -> None:
    monkeypatch.delitem(sys.modules, f"benchmarks.{tool}", raising=False)  # another test has imported it
    monkeypatch.setattr(sys, "argv", [tool, *words])
    with pytest.raises(SystemExit) as end:
        runpy.run_module(f"benchmarks.{tool}", run_name="__main__")
    assert end.value.code == 2
    assert said in capsys.readouterr().err
