"""Third-party papers are found by their entry points."""

import importlib
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from zipfile import ZipFile

import pytest
import torch
from torch import Tensor, nn

import colorzoo
from colorzoo.apps.cli.main import main
from colorzoo.errors import ColorzooError, WeightsError
from colorzoo.evaluation import evaluate, methods
from colorzoo.evaluation.cache import Cache, Entry
from colorzoo.evaluation.protocol import load_protocol, parse_protocol
from colorzoo.evaluation.run import describe_machine
from colorzoo.factory import create_coloring_model
from colorzoo.guidance import Guidance, kinds
from colorzoo.model import ColoringModel
from colorzoo.prediction import AbPrediction
from colorzoo.registry import list_models, refresh
from colorzoo.testing import write_sample_images
from colorzoo.testing.persistence import save_checkpoint
from colorzoo.testing.trainer import quiet_trainer
from colorzoo.training.configs import find_config
from throwaway_paper import install, write_paper


def test_list_models_finds_installed_package_without_importing_torch(tmp_path: Path) -> None:
    write_paper(tmp_path / "dummy_paper", "dummy_paper", "dummy2031")
    card = tmp_path / "dummy_paper" / "card.py"
    card.write_text(card.read_text().replace("guidance=", 'aliases=("dummy2031_alias",), guidance='))
    install(tmp_path, "dummy_paper.card")
    code = """
import sys
from colorzoo.registry import list_models, model_card
print("dummy2031" in list_models(guidance="points"), model_card("dummy2031_alias").year)
print("torch" in sys.modules)
"""
    path = os.pathsep.join([str(tmp_path), str(Path(colorzoo.__path__[0]).parent)])
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True)
    assert done.stdout.split() == ["True", "2030", "False"], done.stderr


def test_source_of_installed_package_is_part_of_the_evaluation_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_paper(tmp_path / "dummy_paper", "dummy_paper", "dummy2031")
    install(tmp_path, "dummy_paper.card")
    monkeypatch.syspath_prepend(tmp_path)
    protocol, machine = load_protocol("automatic"), describe_machine(torch.device("cpu"))

    def folders() -> set[Path]:
        refresh()
        Cache(tmp_path / "cache", protocol, machine).write("gray", "0" * 32, Entry())
        return set((tmp_path / "cache").iterdir())

    try:
        assert len(folders()) == 1
        assert len(folders()) == 1
        with (tmp_path / "dummy_paper" / "card.py").open("a") as stream:
            stream.write("# changed\n")
        assert len(folders()) == 2
    finally:
        monkeypatch.undo()
        refresh()


KIND = """
import torch
from colorzoo.guidance import GuidanceKind
from {module} import FACTOR

class Warmth(GuidanceKind):
    name = "warmth"
    help = "warm colors"

    def parse(self, value, name):
        return float(value)

    def tensors(self, value, lightness, image_size):
        return FACTOR * torch.tensor([[value]])
"""


class Warm(ColoringModel):
    """Predicts the value of the kind ``warmth`` as b."""

    accepts = frozenset({"warmth"})

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        warmth = torch.zeros(1) if guidance is None else guidance.get("warmth")
        return AbPrediction(ab=(torch.zeros_like(lightness) + warmth.view(-1, 1, 1, 1)).expand(-1, 2, -1, -1))


@pytest.mark.parametrize("added_by", ["entry point", "register_kind", "notebook"])
def test_source_of_a_kind_of_guidance_is_part_of_the_evaluation_cache(
    added_by: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "warm_kind"
    package.mkdir()
    (package / "__init__.py").write_text("from .kind import Warmth")
    (package / "kind.py").write_text(KIND.format(module="warm_kind.factor"))
    if added_by == "entry point":
        info = tmp_path / "warm_kind-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: warm-kind\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[colorzoo.guidance]\nwarmth = warm_kind:Warmth\n")
    monkeypatch.syspath_prepend(tmp_path)
    write_sample_images(tmp_path / "album", count=2)
    (tmp_path / "album" / "warmth.csv").write_text("image,warmth\ntrain/sample0.png,30\n")
    protocol = parse_protocol(
        "{name: warm, version: 1, title: Warm, source: tests, coloring: network, metrics: [psnr], "
        "resize: {mode: none}}",
        "warm",
    )
    # a method with a constant identity, as a registered model
    monkeypatch.setattr(methods, "IN_MEMORY", "the same weights")

    def psnr(factor: float) -> float:
        """Evaluate as a new process that imports the package again."""
        (package / "factor.py").write_text(f"FACTOR = {factor}\n")
        for name in [name for name in sys.modules if name.partition(".")[0] == "warm_kind"]:
            del sys.modules[name]
        importlib.invalidate_caches()
        kinds.refresh()
        if added_by != "entry point":
            kind = importlib.import_module("warm_kind").Warmth
            if added_by == "notebook":  # a module without a file and specification
                monkeypatch.setattr(kind, "__module__", "__notebook__")
                monkeypatch.setitem(sys.modules, "__notebook__", ModuleType("__notebook__"))
            kinds.register_kind(kind())
        found = evaluate(
            {"warm": Warm(nn.Identity())},
            tmp_path / "album",
            protocol,
            cache=tmp_path / "cache",
            limit=1,
            resamples=10,
        )
        (row,) = found.table()
        return float(next(value for key, value in row.items() if key.startswith("psnr")))

    try:
        first, second = psnr(1), psnr(-2)
        assert first != second
        assert psnr(1) == first
    finally:
        monkeypatch.undo()
        kinds.refresh()


@pytest.mark.nightly
def test_wheel_of_new_paper_trains_and_colorizes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("build", "hatchling", "pip"):
        pytest.importorskip(package)
    monkeypatch.chdir(tmp_path)
    assert main(["new-paper", "smith2031"]) == 0
    quiet = ["--quiet", "--disable-pip-version-check"]
    words = ["-m", "build", "--wheel", "--no-isolation", "--outdir", "dist", "smith2031"]
    subprocess.run([sys.executable, *words], check=True, capture_output=True)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    assert "Requires-Dist: colorzoo" in ZipFile(wheel).read("smith2031-1.0.dist-info/METADATA").decode()
    site = tmp_path / "site"
    options = ["--no-deps", "--no-index", *quiet, "--target", str(site), str(wheel)]
    subprocess.run([sys.executable, "-m", "pip", "install", *options], check=True)

    write_sample_images(site / "album", count=8)
    small = ["--data.batch_size=2", "--data.crop=32", "--data.val_size=32", "--trainer.max_steps=2"]
    fit = ["fit", "--config", "smith2031/tiny.yaml", "--data.root=album", *small]
    photo = next((site / "album").rglob("*.png"))
    colorize = ["colorize", str(photo), "--model", "smith2031"]
    monkeypatch.chdir(site)
    monkeypatch.syspath_prepend(site)
    refresh()
    try:
        assert main([*fit, "--trainer.accelerator=cpu"]) == 0
        (checkpoint,) = site.rglob("last.ckpt")
        assert main([*colorize, "--weights", str(checkpoint), "-o", "trained.png"]) == 0
        assert main([*colorize, "--allow-untrained", "-o", "random.png"]) == 0
    finally:
        monkeypatch.undo()
        refresh()
    assert (site / "trained.png").is_file()
    assert (site / "random.png").is_file()


def test_configurations_of_an_installed_package_are_found_and_suggested(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_paper(tmp_path / "own_paper", "own_paper", "own2031")
    config = tmp_path / "own_paper" / "small.yaml"
    config.write_text("trainer: {max_steps: 1}")
    install(tmp_path, "own_paper.card")
    monkeypatch.syspath_prepend(tmp_path)
    refresh()
    try:
        assert find_config("own_paper/small.yaml") == config
        with pytest.raises(ColorzooError, match=r"such as own_paper/small\.yaml; got 'own_paper/tiny\.yaml'"):
            find_config("own_paper/tiny.yaml")
    finally:
        monkeypatch.undo()
        refresh()


def test_from_pretrained_finds_the_class_of_an_installed_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_paper(tmp_path / "shared_paper", "shared_paper", "shared2031")
    install(tmp_path, "shared_paper.card")
    monkeypatch.syspath_prepend(tmp_path)
    refresh()
    try:
        model = colorzoo.create_model("shared2031", None, width=4).model
        model.save_pretrained(tmp_path / "saved")
        loaded = colorzoo.ColoringModel.from_pretrained(tmp_path / "saved")
        assert (type(loaded), loaded.hparams) == (type(model), {"width": 4})
    finally:
        monkeypatch.undo()
        refresh()
    with pytest.raises(WeightsError, match=r"shared2031, which is not registered. .* package shared_paper"):
        colorzoo.ColoringModel.from_pretrained(tmp_path / "saved")


def test_checkpoint_of_a_model_without_arguments_is_loaded_and_converted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_paper(tmp_path / "plain_paper", "plain_paper", "plain2031")
    constant = {"self, width: int = 8": "self", "4, width": "4, 8", "width, 2": "8, 2", "(width": "("}
    for module in ("model.py", "task.py"):
        file = tmp_path / "plain_paper" / module
        text = file.read_text()
        for old, new in constant.items():
            text = text.replace(old, new)
        file.write_text(text)
    install(tmp_path, "plain_paper.card")
    monkeypatch.syspath_prepend(tmp_path)
    refresh()
    try:
        task = colorzoo.create_model("plain2031", None)
        checkpoint, converted = tmp_path / "last.ckpt", tmp_path / "out.safetensors"
        task.hparams["optimizer"] = {"class_path": "torch.optim.SGD"}  # as `colorzoo fit` stores it
        save_checkpoint(quiet_trainer(tmp_path), task, checkpoint)
        assert main(["weights", "convert", "plain2031", str(checkpoint), str(converted)]) == 0
        for file in (checkpoint, converted):
            loaded = create_coloring_model("plain2031", file)
            torch.testing.assert_close(loaded.state_dict(), task.model.state_dict())
    finally:
        monkeypatch.undo()
        refresh()


CARD = """
from colorzoo.card import ModelCard
fixed = dict(title="", paper="", year=2031, summary="", task="t:T", parameters=0)
CARDS = [ModelCard(name="sound2031", **fixed), ModelCard(name="other2031", aliases={aliases}, **fixed)]
"""


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        ("import no_such_module_2031", "ModuleNotFoundError: No module named 'no_such_module_2031'"),
        ("CARDS = ['toy']", "TypeError"),
        (CARD.format(aliases=("ddcolor",)), "ValueError: two models have the name 'ddcolor'"),
        (CARD.format(aliases=()), ""),
    ],
    ids=["import", "type", "alias", "valid"],
)
def test_models_command_reports_broken_package_and_continues(
    module: str,
    reason: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    install(tmp_path, "broken_card_2031")
    (tmp_path / "broken_card_2031.py").write_text(module)
    before = list_models()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "broken_card_2031", raising=False)
    refresh()
    try:
        assert main(["models"]) == 0
        said = capsys.readouterr().err.splitlines()
        if not reason:
            assert (said, set(list_models()) - set(before)) == ([], {"sound2031", "other2031"})
            return
        (line,) = said
        assert f"package third-party: {reason}" in line
        assert list_models() == before
        assert main(["doctor"]) == 1
        assert f"package third-party: {reason}" in capsys.readouterr().out
    finally:
        monkeypatch.undo()
        refresh()
