"""Consistency of the project's own files."""

import os
import re
import subprocess
import tomllib
from pathlib import Path

import numpy as np
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

import colorzoo
from changed import choose

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


NODEIDS = [
    *(
        f"tests/test_contract.py::test_contract[{check}-{model}]"
        for check in "abc"
        for model in ("he2018", "xu2020_small")
    ),
    *(f"tests/inference/test_border.py::test_{number}" for number in range(40)),
    *(f"tests/apps/{app}/test_app.py::test_{number}" for app in ("cli", "studio") for number in range(20)),
]


@pytest.mark.parametrize(
    ("file", "concerned"),
    [
        ("src/colorzoo/zoo/xu2020/task.py", "xu2020"),
        ("configs/xu2020/small.yaml", "xu2020"),
        ("src/colorzoo/inference/steps/areas.py", "tests/inference/"),
        ("src/colorzoo/apps/studio/static/js/pad.js", "tests/apps/studio/"),
        ("tests/inference/test_border.py", "tests/inference/"),
        ("tests/inference/recipes.npz", "tests/inference/"),
    ],
)
def test_nightly_tests_of_changed_files_are_chosen_first(file: str, concerned: str) -> None:
    own = {nodeid for nodeid in NODEIDS if concerned in nodeid}
    assert own <= choose(NODEIDS, [file], len(own) + 2)
    assert choose(NODEIDS, [file], 2) < own
    assert choose(NODEIDS, [file, ".github/workflows/checks.yml"], len(own)) == own


def test_other_nightly_tests_are_chosen_from_all_modules_independent_of_order() -> None:
    chosen = choose(NODEIDS, [], 30)
    assert len(chosen) == 30
    assert chosen == choose(NODEIDS[::-1], ["LICENSE"], 30)
    assert len({nodeid.partition("::")[0] for nodeid in chosen}) == 4
    assert choose(NODEIDS, [], 1000) == set(NODEIDS)


def test_pages_of_llms_txt_exist() -> None:
    pages = re.findall(r"\]\((.+?)\.html\)", read("docs/llms.txt"))
    assert len(pages) > 10
    assert all((REPOSITORY / "docs" / f"{page}.md").is_file() for page in pages)


def test_workflows_pin_actions_by_commit() -> None:
    for path in (REPOSITORY / ".github" / "workflows").glob("*.yml"):
        for job in yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"].values():
            actions = [step["uses"] for step in job["steps"] if "uses" in step]
            assert all(re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", action) for action in actions), actions


@pytest.mark.parametrize(("tag", "passes"), [("v1.2.0", True), ("v1.2", False), ("v1.2.0rc1", False)])
def test_release_workflow_rejects_a_tag_of_another_version(tag: str, passes: bool, tmp_path: Path) -> None:
    steps = yaml.safe_load(read(".github/workflows/release.yml"))["jobs"]["dist"]["steps"]
    (check,) = (step["run"] for step in steps if step.get("name") == "tag is the version")
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "colorzoo-1.2.0.tar.gz").touch()
    environment = {**os.environ, "GITHUB_REF_NAME": tag}
    done = subprocess.run(["bash", "-e", "-c", check], cwd=tmp_path, env=environment, check=False)
    assert (done.returncode == 0) is passes


def test_release_publishes_only_tags_and_only_what_was_tested() -> None:
    jobs = yaml.safe_load(read(".github/workflows/release.yml"))["jobs"]
    for name, job in jobs.items():
        permissions = job.get("permissions", {})
        publishes = "write" in (permissions.get("id-token"), permissions.get("contents"))
        assert not publishes or job["if"] == "github.ref_type == 'tag'", name
    assert {"dist", "onnx", "container"} <= set(jobs["pypi"]["needs"])
    assert all(jobs[name]["needs"] == "pypi" for name in ("github", "site"))


def test_constraints_are_versions_that_the_package_allows() -> None:
    lines = re.findall(r"^([\w.-]+)==(\S+)$", read("constraints.txt"), re.MULTILINE)
    versions = {canonicalize_name(name): version for name, version in lines}
    project = tomllib.loads(read("pyproject.toml"))["project"]
    extras = project["optional-dependencies"]
    untested = {"demo", "judge", "all"}  # `test` does not install these extras
    texts = [*project["dependencies"], *(text for name in extras.keys() - untested for text in extras[name])]
    for requirement in map(Requirement, texts):
        if requirement.name == "colorzoo":
            continue
        assert requirement.specifier.contains(versions[canonicalize_name(requirement.name)]), requirement


def test_ci_runs_each_version_of_python_that_the_classifiers_name() -> None:
    classifiers = tomllib.loads(read("pyproject.toml"))["project"]["classifiers"]
    named = [found[1] for each in classifiers if (found := re.fullmatch(r".*Python :: (3\.\d+)", each))]
    jobs = yaml.safe_load(read(".github/workflows/checks.yml"))["jobs"]
    assert jobs["whole"]["strategy"]["matrix"]["python"] == named
    assert jobs["wheel"]["strategy"]["matrix"]["python"] == named


def test_joss_paper_cites_known_entries_and_shows_figures_that_exist() -> None:
    paper, entries = (
        read("paper/paper.md"),
        set(re.findall(r"^@\w+\{(\w+),", read("paper/paper.bib"), re.MULTILINE)),
    )
    body = paper.split("---", 2)[2]
    assert set(re.findall(r"@(\w+)", body)) == entries
    assert all((REPOSITORY / "paper" / path).is_file() for path in re.findall(r"!\[.*?\]\((.+?)\)", body))
    assert 750 < len(body.split()) < 1750  # limits of the journal
    figures = set(re.findall(r"\\label\{(.+?)\}", body))
    assert figures == set(re.findall(r"\\autoref\{(.+?)\}", body))


def test_container_runs_as_a_user_and_checks_its_server() -> None:
    lines = read("contrib/docker/Containerfile").replace("\\\n", " ").splitlines()
    steps = [line.split(maxsplit=1) for line in lines if line and line[0] != "#"]
    images = [words.split()[0] for step, words in steps if step == "FROM"]
    assert len(images) == 2  # the compilers and caches of the first stage are left out
    assert all(re.search(r":\d", image) for image in images)  # no `latest`
    last_stage = steps[max(i for i, (step, _) in enumerate(steps) if step == "FROM") :]
    names = [step for step, _ in last_stage]
    assert dict(last_stage)["USER"] not in ("root", "0")
    assert names.index("USER") < names.index("ENTRYPOINT")
    assert {"HEALTHCHECK", "EXPOSE"} <= set(names)
    assert not {"ADD", "MAINTAINER"} & {step for step, _ in steps}
    assert all("--no-cache-dir" in words for step, words in steps if step == "RUN" and "pip install" in words)


def test_conda_recipe_requires_the_same_versions_as_the_package() -> None:
    renamed = {"torch": "pytorch", "matplotlib": "matplotlib-base", "opencv-python-headless": "py-opencv"}
    recipe = re.sub(r"\{%.*?%\}", "", read("contrib/conda/meta.yaml")).replace("{{", "").replace("}}", "")
    required = {
        each.partition(" ")[0]: each.partition(" ")[2]
        for each in yaml.safe_load(recipe)["requirements"]["run"]
    }
    project = tomllib.loads(read("pyproject.toml"))["project"]
    assert SpecifierSet(required["python"]) == SpecifierSet(project["requires-python"])
    for text in project["dependencies"]:
        requirement = Requirement(text)
        found = required[renamed.get(requirement.name, requirement.name)]
        assert SpecifierSet(found) == requirement.specifier, text
