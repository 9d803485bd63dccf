"""Consistency of the project's own files."""

import re
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


def test_readme_has_the_test_command_of_ci() -> None:
    _, *marked = read("README.md").split("<!-- test-command -->")
    assert len(marked) == 1
    fence, command, *_ = marked[0].strip().splitlines()
    assert fence == "```bash"
    assert "pip install" in command
    assert "pytest" in command


def test_citation_has_the_version_and_license_of_the_package() -> None:
    project = tomllib.loads(read("pyproject.toml"))["project"]
    citation = yaml.safe_load(read("CITATION.cff"))
    assert "version" in project["dynamic"]  # hatchling reads colorzoo.__version__
    assert (citation["version"], citation["license"]) == (colorzoo.__version__, project["license"])
    assert all(paper["title"] and paper["authors"] and paper["year"] for paper in citation["references"])


def test_notice_names_every_table_and_the_tables_are_as_published() -> None:
    notice = read("NOTICE")
    tables = {path.stem: np.load(path, allow_pickle=False) for path in TABLES.glob("*.npy")}
    assert all(f"{name}.npy" in notice for name in tables)
    np.testing.assert_array_equal(tables["pts_grid"][tables["in_hull"]], tables["pts_in_hull"])
    assert tables["prior_probs"].shape == (313,)
    assert tables["prior_probs"].sum() == pytest.approx(1.0)
    assert tables["pts_in_hull"][tables["prior_probs"].argmax()].tolist() == [0, 0]


def test_no_file_is_large() -> None:
    folders = ("src", "tests", "configs", "docs", "notebooks", "benchmarks")
    files = [path for folder in folders for path in (REPOSITORY / folder).rglob("*") if path.is_file()]
    assert files
    assert [str(path) for path in files if path.stat().st_size > 10_000_000] == []


def test_changelog_begins_with_this_version_and_is_short() -> None:
    _, *sections = re.split(r"^## \[", read("CHANGELOG.md"), flags=re.MULTILINE)
    newest = next(section for section in sections)
    released = colorzoo.__version__.partition(".dev")[0] == colorzoo.__version__
    assert newest.startswith(f"{colorzoo.__version__}]") or not released
    assert 1 <= newest.count("\n- ") <= 40


def test_fragments_of_the_changelog_have_a_type() -> None:
    known = {each["directory"] for each in tomllib.loads(read("pyproject.toml"))["tool"]["towncrier"]["type"]}
    for path in (REPOSITORY / "changes").glob("[!R]*"):
        assert path.name.split(".")[-2:][0] in known, path.name
        assert path.suffix == ".md", path.name
        assert path.read_text(encoding="utf-8").strip().count("\n") == 0, f"{path.name} has more than a line"


def test_workflows_run_the_commands_of_the_project() -> None:
    folder = REPOSITORY / ".github" / "workflows"
    jobs = [job for path in folder.glob("*.yml") for job in yaml.safe_load(path.read_text())["jobs"].values()]
    commands = {step["run"] for job in jobs for step in job["steps"] if "run" in step}
    assert "bash .ci/run" in commands
    assert 'python -m pytest -n 2 --dist loadfile -m "nightly or not nightly"' in commands
