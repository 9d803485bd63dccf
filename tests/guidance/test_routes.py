"""Table of kinds of guidance and routes: no route drops a kind without a message."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from runs import optimize_in_process
from starlette.testclient import TestClient
from test_kinds import RECIPES, Records, RegionRecords, Warmth

import colorzoo
from apps.studio.pads import ADDRESS, DirectPad, photo_file
from colorzoo import Colorizer
from colorzoo.abilities import RegionModel
from colorzoo.apps.cli._predict import FullSizePrediction
from colorzoo.apps.studio.access import Access
from colorzoo.apps.studio.service import ColorService, build_service
from colorzoo.apps.studio.studio import Studio
from colorzoo.apps.video import run as video
from colorzoo.color import rgb_to_lab
from colorzoo.data import ExemplarPairsDataModule, FolderDataModule, ImageDataModule, StreamingDataModule
from colorzoo.data.shards import ShardOptions, shard_folder
from colorzoo.errors import ColorzooError
from colorzoo.evaluation import evaluate
from colorzoo.evaluation.protocol import parse_protocol
from colorzoo.guidance import Guidance, kinds, register_kind
from colorzoo.model import ColoringModel
from colorzoo.prediction import AbPrediction
from colorzoo.registry import model_card
from colorzoo.testing.samples import contract_test_batch
from colorzoo.testing.trainer import quiet_trainer
from colorzoo.training import SingleOptimizerModule

PAGE = Path(__file__).parents[2] / "docs" / "guidance.md"
USED, REFUSED, SIMULATED = "used", "refused", "simulated"
SMALL = {"batch_size": 1, "crop": 32, "val_size": 32, "val_batch_size": 1, "num_workers": 0}
MODELS = {
    "points": "zhang2017_local_small",
    "scribbles": "kim2021_small",
    "regions": "cho2023_small",
    "boxes": "su2020_small",
    "statistics": "zhang2017_global_small",
}
"""Models whose tasks simulate a kind of guidance."""
USERS = {
    "points": "{name: uniform_points, side: 4}",
    "scribbles": "{name: bled_edge_scribbles}",
    "regions": "{name: superpixel_regions}",
    "exemplar": "{name: exemplar}",
    "statistics": "{name: true_statistics}",
}
"""Simulated users of protocols, and the user of references."""


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    kinds.refresh()
    register_kind(Warmth())
    Records.received.clear()
    yield
    kinds.refresh()


class Colored(Records):
    """Records the guidance of each forward pass, and colors images with its kind."""

    def forward(self, lightness: torch.Tensor, guidance: Guidance | None = None) -> AbPrediction:
        plain, kinds = super().forward(lightness, guidance), (guidance or Guidance()).kinds()
        return AbPrediction(ab=plain.ab + 30 * bool(self.accepts & {*kinds}))


class ColoredRegions(RegionModel, Colored):
    """Proposes one region, and colors images with a colored region."""

    propose = RegionRecords.propose

    def forward(self, lightness: torch.Tensor, guidance: Guidance | None = None) -> AbPrediction:
        super().forward(lightness, guidance)
        regions = None if guidance is None else guidance.regions
        share = 0.0 if regions is None else float(regions.given.max())
        return AbPrediction(ab=(0 * lightness + 30 * share).expand(-1, 2, -1, -1))


def model_of(kind: str) -> ColoringModel:
    return ColoredRegions(kind) if kind == "regions" else Colored(kind)


def colorizer_of(kind: str) -> Colorizer:
    return Colorizer(model_of(kind), device="cpu", precision="float32", size=32)


def state(kind: str) -> str:
    """Return `USED` if the network has received the kind since the start of the test."""
    assert Records.received, "the network did not run"
    assert any(kind in each.kinds() for each in Records.received), f"{kind} was dropped without a message"
    return USED


class RecordTask(SingleOptimizerModule):
    """Task whose model records its guidance."""

    def __init__(self, kind: str) -> None:
        model = model_of(kind)
        model.scale = torch.nn.Parameter(torch.ones(()))
        model.label_count = 2 if kind == "label" else 0
        super().__init__(model)
        self.keys: set[str] = set()

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        self.keys |= batch.keys()
        return self.model.scale * batch["rgb"].mean()


def write_album(folder: Path, kind: str) -> Path:
    """Write color images of the splits, with the values of a kind in a table if it has any text."""
    rows = np.random.default_rng(0).integers(0, 256, (2, 40, 56, 3), dtype=np.uint8)
    for split, rgb in zip(("train", "val"), rows, strict=True):
        (folder / split / "red").mkdir(parents=True)
        (folder / split / "blue").mkdir()
        for name in ("red/a.png", "blue/b.png"):
            Image.fromarray(rgb).save(folder / split / name)
            maps = folder / "classes" / split / name
            maps.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rgb[..., 0] // 64).save(maps)
    if kind not in ("boxes", "exemplar", "classes"):
        write_table(folder, kind, [f"{split}/red/a.png" for split in ("train", "val")])
    return folder


def write_table(folder: Path, kind: str, images: list[str]) -> None:
    with (folder / ("labels.csv" if kind == "label" else f"{kind}.csv")).open("w") as file:
        value = RECIPES[kind]
        text = value if isinstance(value, str) else json.dumps(value)
        csv.writer(file).writerows([("image", kind), *((name, text) for name in images)])


def data_of(kind: str, root: Path) -> ImageDataModule:
    """Return the DataModule that provides a kind of guidance, by the setting of the kind or by ``hints``."""
    settings: dict[str, dict[str, Any]] = {
        "label": {"labels": True},
        "classes": {"classes": True},
        "exemplar": {},
    }
    module = ExemplarPairsDataModule if kind == "exemplar" else FolderDataModule
    return module(str(root), **settings.get(kind, {"hints": [kind]}), **SMALL)


def simulates(kind: str) -> str:
    """Return `SIMULATED` if the task of a registered model passes the simulated kind to its model."""
    name = MODELS[kind]
    task, batch = colorzoo.create_model(name), contract_test_batch(model_card(name), 2)
    found = [guidance.kinds() for _, guidance in task.validation_guidances(batch, rgb_to_lab(batch["rgb"]))]
    assert any(kind in each for each in found)
    with pytest.raises(ColorzooError, match="text values"):  # files cannot replace the simulation
        FolderDataModule("album", hints=[kind])
    return SIMULATED


def by_fit(kind: str, folder: Path) -> str:
    if kind in MODELS:
        return simulates(kind)
    task = RecordTask(kind)
    data = data_of(kind, write_album(folder / "album", kind))
    trainer = quiet_trainer(folder, max_steps=2, limit_val_batches=0)
    trainer.fit(task, data)
    key = "reference" if kind == "exemplar" else kind
    assert key in task.keys
    return USED


def by_validate(kind: str, folder: Path) -> str:
    if kind in MODELS:
        return simulates(kind)
    data = data_of(kind, write_album(folder / "album", kind))
    if kind in ("exemplar", "classes"):  # entries of the batch, which the task converts to guidance
        data.setup("validate")
        batch = data.on_after_batch_transfer(next(iter(data.val_dataloader())), 0)
        assert ("reference" if kind == "exemplar" else kind) in batch
        return USED
    quiet_trainer(folder).validate(RecordTask(kind), data, verbose=False)
    return state(kind)


def by_predict(kind: str, folder: Path) -> str:
    data = data_of(kind, write_album(folder / "album", kind))
    task = FullSizePrediction(RecordTask(kind), data, str(folder / "out"))
    error = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stderr", error)
        quiet_trainer(folder).predict(task, return_predictions=False)
    if any(kind in each.kinds() for each in Records.received):
        return USED
    assert "predict does not use the" in error.getvalue()
    return REFUSED


def by_evaluate(kind: str, folder: Path) -> str:
    rgb = np.random.default_rng(0).integers(0, 256, (64, 80, 3), dtype=np.uint8)
    for name in ("a.png", "b.png"):
        Image.fromarray(rgb).save(folder / name)
    if kind == "boxes":
        (folder / "boxes.csv").write_text("image,left,top,right,bottom\na.png,2,2,30,30\n")
    elif kind == "exemplar":
        (folder / "pairs.csv").write_text("target,reference\na.png,b.png\n")
    elif kind not in USERS and kind != "classes":
        write_table(folder, kind, ["a.png"])
    user = USERS.get(kind, f"{{name: {kind}}}" if kind == "classes" else "null")
    pairs = "references: pairs, " if kind == "exemplar" else ""
    protocol = parse_protocol(
        f"{{name: p, version: 1, title: P, source: tests, coloring: network, {pairs}metrics: [psnr], "
        f"resize: {{mode: none}}, user: {user}, interactions: {'[0]' if user == 'null' else '[0, 1]'}}}",
        "p",
    )
    evaluate({"records": model_of(kind)}, folder, protocol, resamples=10)
    return state(kind)


def write_recipe(kind: str, folder: Path) -> Path:
    """Write a recipe with a kind, its files, and a gray photo; return the recipe."""
    (folder / "frames").mkdir()
    (folder / "frames" / "0.png").write_bytes(photo_file())
    width, height = Image.open(folder / "frames" / "0.png").size
    rgb = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(rgb).save(folder / "warm.png")
    Image.fromarray(rgb[..., 0] // 128).save(folder / "classes.png")
    path = folder / "recipe.json"
    path.write_text(json.dumps(recipe_of(kind)))
    return path


def recipe_of(kind: str) -> dict[str, Any]:
    return {kind: RECIPES[kind], **({"exemplar": RECIPES["exemplar"]} if kind == "classes" else {})}


def by_colorize(kind: str, folder: Path) -> str:
    recipe, colorizer = write_recipe(kind, folder), colorizer_of(kind)
    colorizer.model.accepts |= {"exemplar"} if kind == "classes" else set()
    colorizer.colorize(folder / "frames" / "0.png", recipe)
    return state(kind)


def by_video(kind: str, folder: Path) -> str:
    recipe, colorizer = write_recipe(kind, folder), colorizer_of(kind)
    colorizer.model.accepts |= {"exemplar"} if kind == "classes" else set()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(video, "Colorizer", lambda *_, **__: colorizer)
        video.write_frame(folder / "frames", folder / "0.png", 0, keys={0: recipe}, model="gray")
    assert np.ptp(np.asarray(Image.open(folder / "0.png")).astype(int), axis=2).max() > 20
    return state(kind)


def by_pad(kind: str, folder: Path) -> str:
    write_recipe(kind, folder)
    pad = DirectPad(Studio(colorizer_of(kind)))
    pad.open((folder / "frames" / "0.png").read_bytes())
    recipe = recipe_of(kind)
    if kind == "classes":
        notes = pad.call("check", recipe=recipe).body["notes"]
        assert any("does not use the image files of classes" in note for note in notes)
        return REFUSED
    if kind == "exemplar":
        pad.call("attach", (folder / "warm.png").read_bytes(), slot="exemplar", name="warm.png")
    reply = pad.call("color", recipe=recipe)
    if reply.type == "error":
        raise ColorzooError(reply.body["message"])
    return state(kind)


def by_serve(kind: str, folder: Path) -> str:
    write_recipe(kind, folder)
    service = ColorService(colorizer=colorizer_of(kind), device="cpu")
    app = build_service(service, Access("127.0.0.1", "secret"))
    files = [("image", ("a.png", photo_file()))]
    recipe = recipe_of(kind)
    if recipe.pop("exemplar", None):
        files.append(("reference", ("warm.png", (folder / "warm.png").read_bytes())))
    with TestClient(app, base_url=ADDRESS, headers={"Authorization": "Bearer secret"}) as client:
        reply = client.post("/colorize", files=files, data={"recipe": json.dumps(recipe)})
    if reply.status_code == 400:
        raise ColorzooError(reply.text)
    assert reply.status_code == 200, reply.text
    return state(kind)


def by_shards(kind: str, folder: Path) -> str:
    pytest.importorskip("litdata")
    album = write_album(folder / "album", kind)
    hints = () if kind == "label" else (kind,)  # shards always contain the classes of folders
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("litdata.optimize", optimize_in_process)
        shard_folder(album, folder / "shards", ShardOptions(hints=hints))
    data = StreamingDataModule(str(folder / "shards"), hints=hints, **SMALL)
    data.setup("fit")
    assert kind in data.train_data[0, 0]  # type: ignore[index]
    return USED


ROUTES: dict[str, Callable[[str, Path], str]] = {
    "`fit`": by_fit,
    "`validate`": by_validate,
    "`predict`": by_predict,
    "`evaluate`": by_evaluate,
    "`colorize`": by_colorize,
    "`video`": by_video,
    "pad": by_pad,
    "`serve`": by_serve,
    "shards": by_shards,
}


def page_table() -> dict[str, list[str]]:
    """Return the states of each kind in the table of the page, without the header."""
    lines = re.findall(r"^\| `(\w+)` \| (.*) \|$", PAGE.read_text("utf-8"), re.MULTILINE)
    return {kind: cells.split(" | ") for kind, cells in lines if cells.count(" | ") == len(ROUTES) - 1}


def test_table_of_the_page_has_all_kinds_and_no_empty_cell() -> None:
    header = f"| kind | {' | '.join(ROUTES)} |"
    assert header in PAGE.read_text("utf-8")
    assert list(page_table()) == [*(kind.name for kind in kinds.BUILT_IN), "words"]
    assert {cell for cells in page_table().values() for cell in cells} == {USED, REFUSED, SIMULATED}


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("kind", RECIPES)
@pytest.mark.filterwarnings("ignore")
def test_route_uses_or_refuses_each_kind(kind: str, route: str, tmp_path: Path) -> None:
    try:
        found = ROUTES[route](kind, tmp_path)
    except ColorzooError:
        found = REFUSED
    name = "words" if kind == "warmth" else kind  # the kind of a package
    assert found == page_table().get(name, [""] * len(ROUTES))[list(ROUTES).index(route)]
