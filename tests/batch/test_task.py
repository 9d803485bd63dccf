"""Provenance of file tasks."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import colorzoo
from colorzoo.batch.settings import ColorSettings
from colorzoo.batch.task import FileTask
from colorzoo.files import digest_of
from colorzoo.guidance import Recipe
from colorzoo.image_io.provenance import ImageProvenance
from tiny_model import NAME


def test_file_task_origin_contains_all_settings_that_affect_colors(here: Path) -> None:
    """The digest does not depend on the device and the name of the image."""
    choice: Any = SimpleNamespace(name=NAME, sha256="ab" * 32)
    plain = Recipe.from_json({"version": 1, "image": {"sha256": "00"}})
    digest = "60fa28de5bb8ff380b80ca02a88ae49fcbe5f59e4130c8a4dbaff29e79f576e4"
    assert FileTask(choice=choice, guidance=plain).origin.settings == digest
    document = {
        "points": [{"x": 1, "y": 2, "color": "#c04020"}],
        "classes": {"file": "a.png"},
        "strength": 0.7,
    }
    recipe = Recipe.from_json({**document, "version": 1, "crop": {"x": 1, "y": 2, "width": 30, "height": 40}})
    for name in ("warm", "cold", "a"):
        Path(f"{name}.png").write_text(name)
    shown = {"size": 64, "temperature": 0.4, "render_factor": 9, "quality": 80, "frames": "first"}
    shown |= {"engine": "onnxruntime"}
    settings = ColorSettings(0.5, device="cuda", reference_weights=[2.0, 1.0], alpha=0.3, reassigned=["1=2"])
    task = FileTask(
        choice=choice,
        guidance=recipe,
        reference=("warm.png", "cold.png"),
        settings=replace(settings, **shown),
    )
    used = (("reference", "warm.png"), ("reference", "cold.png"), ("classes", "a.png"))
    assert task.origin == ImageProvenance(
        "",
        "b63101cf3f52260256778a975e76975adda1a6c5b39a2966c6ad8436ac408bce",
        *(NAME, "ab" * 32, colorzoo.__version__, task.effective_recipe().to_json()),
        engine="onnxruntime",
        options=json.dumps(shown),
        files=json.dumps([{"use": use, "name": name, "sha256": digest_of(Path(name))} for use, name in used]),
        crop="1,2,30,40",
    )


def test_digest_of_changes_with_the_content_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"one")
    before = digest_of(path)
    assert before == digest_of(b"one")
    path.write_bytes(b"three")
    assert digest_of(path) == digest_of(b"three") != before
