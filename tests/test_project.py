"""Consistency of the project's own files."""

import tomllib
from pathlib import Path

import numpy as np
import pytest
import yaml

import colorzoo

REPOSITORY = Path(__file__).parent.parent
TABLES = Path(colorzoo.__path__[0]) / "color" / "tables"


def read(name: str) -> str:
    return (REPOSITORY / name).read_text(encoding="utf-8")


def test_citation_has_the_version_and_license_of_the_package() -> None:
    project = tomllib.loads(read("pyproject.toml"))["project"]
    citation = yaml.safe_load(read("CITATION.cff"))
    assert "version" in project["dynamic"]  # hatchling reads colorzoo.__version__
    assert (citation["version"], citation["license"]) == (colorzoo.__version__, project["license"])
    assert all(paper["title"] and paper["authors"] and paper["year"] for paper in citation["references"])


def test_notice_names_every_color_table_and_tables_are_consistent() -> None:
    notice = read("NOTICE")
    tables = {path.stem: np.load(path, allow_pickle=False) for path in TABLES.glob("*.npy")}
    assert all(f"{name}.npy" in notice for name in tables)
    np.testing.assert_array_equal(tables["pts_grid"][tables["in_hull"]], tables["pts_in_hull"])
    assert tables["prior_probs"].shape == (313,)
    assert tables["prior_probs"].sum() == pytest.approx(1.0)
    assert tables["pts_in_hull"][tables["prior_probs"].argmax()].tolist() == [0, 0]
