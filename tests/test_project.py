"""Consistency of the project's own files."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

import numpy as np
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from starlette.testclient import TestClient

import colorzoo
from changed import choose
from colorzoo.apps.cli import serve
from colorzoo.apps.cli.main import find_command
from colorzoo.apps.studio.access import Access
from colorzoo.apps.studio.service import ColorService, build_service
from running_service import TOKEN, tiny_colorizer

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


def containerfile() -> list[tuple[str, str]]:
    """Return the instructions of the Containerfile and their arguments, without comments and line breaks."""
    text = re.sub(r"^#.*\n", "", read("contrib/docker/Containerfile"), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    return [(words[0], words[2]) for line in lines if (words := line.partition(" "))[0]]


def test_container_runs_as_a_user_and_checks_its_server() -> None:
    steps = containerfile()
    assert [step for step, _ in steps].count("FROM") == 2  # without the caches of the first stage
    last_stage = steps[max(i for i, (step, _) in enumerate(steps) if step == "FROM") :]
    names = [step for step, _ in last_stage]
    assert int(dict(last_stage)["USER"]) > 0  # Kubernetes cannot check the name of a user
    assert names.index("USER") < names.index("ENTRYPOINT")
    assert {"HEALTHCHECK", "EXPOSE"} <= set(names)
    assert not {"ADD", "MAINTAINER"} & {step for step, _ in steps}


@pytest.mark.parametrize(
    ("base", "code"),
    [
        ("docker.io/library/python@sha256:" + "0" * 64, 0),
        ("docker.io/library/python:3.11-slim", 2),
        ("docker.io/library/python", 2),
    ],
)
def test_container_requires_a_base_with_a_digest(base: str, code: int) -> None:
    steps = containerfile()
    defaults = dict(words.partition("=")[::2] for step, words in steps if step == "ARG")
    assert defaults["BASE"] == ""  # the caller must set it
    assert {words.partition(" ")[0] for step, words in steps if step == "FROM"} == {"${BASE}"}
    (check,) = (words for step, words in steps if step == "RUN" and "$BASE" in words)
    assert subprocess.run(["sh", "-c", check], env={"BASE": base}, check=False).returncode == code


def ignored(path: str, rules: list[str]) -> bool:
    """Return whether the rules of a .dockerignore file exclude a path from the build context."""
    is_ignored = False
    for rule in rules:
        pattern = re.escape(rule.lstrip("!").strip("/"))
        pattern = pattern.replace(r"\*\*/", "(.*/)?").replace(r"\*\*", ".*").replace(r"\*", "[^/]*")
        if re.fullmatch(f"{pattern}(/.*)?", path):  # a rule for a folder applies to its content
            is_ignored = not rule.startswith("!")
    return is_ignored


def context_files(root: Path) -> list[str]:
    """Return the paths of the files of a build context relative to its root."""
    lines = map(str.strip, (root / ".dockerignore").read_text().splitlines())
    rules = [line for line in lines if line and line[0] != "#"]
    paths = [path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()]
    return [path for path in paths if not ignored(path, rules)]


def test_build_context_contains_only_what_the_container_needs(tmp_path: Path) -> None:
    files = context_files(REPOSITORY)
    assert sum((REPOSITORY / name).stat().st_size for name in files) < 60e6
    project = tomllib.loads(read("pyproject.toml"))
    hatch = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = [
        hatch["hooks"]["custom"]["path"],
        *hatch["force-include"],
        *hatch["packages"],
        "constraints.txt",
    ]
    needed += ["pyproject.toml", project["project"]["readme"], *project["project"]["license-files"]]
    for name in needed:
        assert any(file == name or file.startswith(f"{name}/") for file in files), name
    shutil.copy(REPOSITORY / ".dockerignore", tmp_path)
    kept = "src/colorzoo/a.py", "configs/a.yaml", "pyproject.toml"
    left_out = (
        ".git/objects/a",
        "runs/last.ckpt",
        "src/colorzoo/__pycache__/a.pyc",
        "docs/a.md",
        ".env",
        "a.whl",
    )
    for name in (*kept, *left_out):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert sorted(context_files(tmp_path)) == sorted(kept)


@pytest.mark.nightly
def test_wheel_is_built_from_the_build_context(tmp_path: Path) -> None:
    for name in context_files(REPOSITORY):
        (tmp_path / "source" / name).parent.mkdir(parents=True, exist_ok=True)
        os.link(REPOSITORY / name, tmp_path / "source" / name)
    (command,) = re.findall(r"python (-m hatchling build[^&]*)", read("contrib/docker/Containerfile"))
    words = command.replace("\\\n", "").replace("/wheels", str(tmp_path / "wheels")).split()
    subprocess.run([sys.executable, *words], cwd=tmp_path / "source", check=True)
    (wheel,) = (tmp_path / "wheels").glob("*.whl")
    with zipfile.ZipFile(wheel) as file:
        packed = {name for name in file.namelist() if name.startswith("colorzoo/")}
    package = REPOSITORY / "src" / "colorzoo"
    assert {f"colorzoo/{path.relative_to(package)}" for path in package.rglob("*.py")} <= packed


def installed(*extras: str) -> dict[str, Distribution]:
    """Return the distributions that colorzoo and some of its extras require, also indirectly."""
    found: dict[str, Distribution] = {}
    texts = tomllib.loads(read("pyproject.toml"))["project"]
    waiting = [
        *texts["dependencies"],
        *(text for name in extras for text in texts["optional-dependencies"][name]),
    ]
    while waiting:
        requirement = Requirement(waiting.pop())
        name = canonicalize_name(requirement.name)
        if name in found:
            continue
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:  # such as the libraries of CUDA
            continue
        for inner in map(Requirement, found[name].requires or []):
            if inner.marker is None or any(
                inner.marker.evaluate({"extra": extra}) for extra in ("", *requirement.extras)
            ):
                waiting.append(f"{inner.name}[{','.join(inner.extras)}]")
    return found


def test_container_has_pinned_versions_and_no_codecs_under_the_gpl() -> None:
    arguments = dict(words.partition("=")[::2] for step, words in containerfile() if step == "ARG")
    extras = arguments["EXTRAS"].split(",")
    names = re.findall(r"^([\w.-]+)==", read("constraints.txt"), re.MULTILINE)
    # the CPU version of torch requires no libraries of CUDA
    packages = {each for each in installed(*extras) if not re.match("cuda-|nvidia-|triton", each)}
    assert "torch" in packages
    assert "prometheus-client" in packages
    assert packages <= set(map(canonicalize_name, names))

    def codecs_of(*extras: str) -> set[str]:
        paths = (str(path) for each in installed(*extras).values() for path in each.files or [])
        return set(re.findall(r"libx26[45]", " ".join(paths)))

    assert not codecs_of(*extras)
    if sys.platform == "linux":
        assert codecs_of(*extras, "video") == {"libx264", "libx265"}  # as docs/serve.md states
    for step, words in containerfile():
        for command in re.findall(r"pip .*?install[^&]*", words) if step == "RUN" else []:
            assert {"--no-cache-dir", "--constraint"} <= set(command.split()), command


PODS = ["contrib/docker/kubernetes.yml", "configs/cluster/kubernetes.yml"]


@pytest.mark.parametrize("name", PODS)
def test_pods_have_a_version_and_no_privileges(name: str) -> None:
    (workload,) = (each for each in yaml.safe_load_all(read(name)) if "template" in each["spec"])
    pod = workload["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False
    for container in pod["containers"]:
        assert container["image"].rpartition(":")[2] == colorzoo.__version__
        context = container["securityContext"]
        assert (context["allowPrivilegeEscalation"], context["readOnlyRootFilesystem"]) == (False, True)
        assert context["capabilities"] == {"drop": ["ALL"]}
        mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
        assert "/tmp" in mounts.values()
        assert set(mounts) <= {volume["name"] for volume in pod["volumes"]}


def test_pods_of_the_server_use_its_options_and_its_probes() -> None:
    service, deployment = yaml.safe_load_all(read("contrib/docker/kubernetes.yml"))
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    command, found, words = find_command(serve, container["args"])
    options = found.parse(command, words)
    (port,) = (each["containerPort"] for each in container["ports"])
    assert options.port == port == service["spec"]["ports"][0]["port"]
    assert service["metadata"]["name"] in options.allow_host
    pause = int(container["lifecycle"]["preStop"]["exec"]["command"][-1])
    assert pod["terminationGracePeriodSeconds"] > pause + options.drain + 2
    app = build_service(ColorService(colorizer=tiny_colorizer()), Access(options.host, TOKEN))
    with TestClient(app, base_url=f"http://10.1.2.3:{port}") as client:  # as the kubelet requests
        for kind, path in {"startup": "/ready", "readiness": "/ready", "liveness": "/health"}.items():
            probe = container[f"{kind}Probe"]["httpGet"]
            assert probe == {"path": path, "port": port}
            assert client.get(probe["path"]).status_code == 200


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
