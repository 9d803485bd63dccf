"""ST-LPIPS against numbers of its authors' package, with pseudo-random weights in place of its own."""

import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.errors import WeightsError
from colorzoo.metrics import MeanLPIPS, lpips_network
from colorzoo.metrics.perceptual import to_signed
from metrics.cases import PICTURES
from pseudo_weights import pseudo_state_dict

CONVOLUTIONS = {
    "net.slice1.0": (64, 3, 11, 11),
    "net.slice2.5": (192, 64, 5, 5),
    "net.slice3.9": (384, 192, 3, 3),
    "net.slice4.11": (256, 384, 3, 3),
    "net.slice5.13": (256, 256, 3, 3),
}
MEANS = (-0.00047446016, 0.00025379402)  # stlpips-pytorch 0.0.2 of the pictures below
MEANS_OF_MAPS, LAST_OF_MAP = (-0.000475404, 0.00025349329), 0.0018
RGB, TRUTH = (F.interpolate(PICTURES[0][name], size=(64, 72)) for name in ("rgb", "target"))


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file of pseudo-random weights under the authors' names."""
    shapes: dict[str, tuple[int, ...]] = {}
    for number, (name, shape) in enumerate(CONVOLUTIONS.items()):
        shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
        shapes[f"lin{number}.model.1.weight"] = (1, shape[0], 1, 1)
    path = tmp_path_factory.mktemp("shift_tolerant") / "weights.pth"
    torch.save({key: torch.from_numpy(value) for key, value in pseudo_state_dict(shapes).items()}, path)
    return path


def distances(file: Path, *, spatial: bool) -> Tensor:
    network = lpips_network("alex-st", file, spatial=spatial)
    found: Tensor = network(to_signed(RGB), to_signed(TRUTH))
    return found


def test_it_equals_the_package(file: Path) -> None:
    assert distances(file, spatial=False).flatten().tolist() == pytest.approx(MEANS, abs=2e-7)
    maps = distances(file, spatial=True)
    assert maps.shape == (2, 1, 64, 72)
    assert maps.mean(dim=(1, 2, 3)).tolist() == pytest.approx(MEANS_OF_MAPS, abs=2e-7)
    assert float(maps[-1, 0, -1, -1]) == pytest.approx(LAST_OF_MAP, abs=5e-5)


def test_reports_call_it_by_its_own_name(file: Path) -> None:
    metric = MeanLPIPS("alex-st", file)
    (output,) = metric.outputs()
    assert (output.title, output.key) == ("ST-LPIPS", "lpips_alex-st_v0.1_mean")
    assert float(metric(RGB, TRUTH)["lpips_alex-st"]) == pytest.approx(sum(MEANS) / 2, abs=2e-7)
    metric.reset()
    metric.update(RGB, torch.zeros_like(TRUTH), **metric.shared_inputs({"target": TRUTH}))
    assert float(metric.compute()["lpips_alex-st"]) == pytest.approx(sum(MEANS) / 2, abs=2e-7)


def test_its_weights_are_read_only_from_a_known_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "stlpips_pytorch", None)
    with pytest.raises(WeightsError, match=r"pip install 'colorzoo\[judge\]'"):
        MeanLPIPS("alex-st")
    monkeypatch.delitem(sys.modules, "stlpips_pytorch")
    weights = tmp_path / "stlpips_pytorch" / "weights" / "vST0.0"
    weights.mkdir(parents=True)
    (tmp_path / "stlpips_pytorch" / "__init__.py").touch()
    torch.save({"weight": torch.zeros(3)}, weights / "alex_shift_tolerant.pth")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(WeightsError, match="damaged or another file"):
        MeanLPIPS("alex-st")
