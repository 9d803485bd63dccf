"""Import rules of docs/architecture.md: packages import only lower layers, and papers are independent."""

import importlib
import re
from graphlib import TopologicalSorter
from pathlib import Path

import colorzoo
from import_graph import Import, import_graph, inside, read_imports

ROOT = Path(colorzoo.__path__[0])
LIGHTNING = ("lightning", "pytorch_lightning", "lightning_fabric")
HEAVY = (*LIGHTNING, "torch", "torchvision", "torchmetrics", "kornia", "timm")

# Lowest layer first; packages of one layer must not import each other. See docs/architecture.md.
LAYERS = (
    "_deprecation environment precision randomness",
    "_machine errors",
    "card console files settings",
    "_files",
    "registry",
    "color drawing",
    "guidance",
    "losses prediction",
    "abilities networks",
    "weights",
    "model",
    "factory feature_extraction",
    "image_io",
    "data",
    "metrics",
    "simulation",
    "engines",
    "inference",
    "batch",
    "plots",
    "evaluation",
    "training",
    "zoo",
    "api",
    "testing",
    "apps",
    "__main__",
)
FLOOR = {name: floor for floor, names in enumerate(LAYERS) for name in names.split()}
# data must not import models
MODELS = {"networks", "losses", "prediction", "model", "factory"}
WITHOUT_LIGHTNING = set(FLOOR) - {"data", "training", "zoo", "testing", "apps"}
LIGHT = {"environment", "errors", "card", "settings", "registry"}
APPS = "video", "studio", "cli"  # an application imports only applications to its left
PAGES = Path(__file__).parents[1] / "docs" / "api"


def violations(root: Path) -> list[Import]:
    return [
        found
        for found in read_imports(root)
        if breaks_layers(found) or is_too_heavy(found) or breaks_zoo(found)
    ]


def breaks_layers(found: Import) -> bool:
    importer, imported = package_of(found.importer), package_of(found.name)
    if importer == imported == "apps":
        return breaks_apps(found)
    if importer == imported or not {importer, imported} <= set(FLOOR):
        return False
    if importer == "data" and imported in MODELS:
        return True
    if imported == "zoo":  # reached by name only; these two scan its folders
        return found.name != "colorzoo.zoo" or importer not in ("registry", "testing")
    return FLOOR[imported] >= FLOOR[importer]


def breaks_apps(found: Import) -> bool:
    importer, imported = (name.split(".")[2:3] for name in (found.importer, found.name))
    return bool(importer and imported) and APPS.index(imported[0]) > APPS.index(importer[0])


def package_of(module: str) -> str:
    """Return the package below ``colorzoo``, or nothing for the facade and for foreign modules."""
    top, *rest = module.split(".")
    return rest[0] if top == "colorzoo" and rest else ""


def is_too_heavy(found: Import) -> bool:
    package = package_of(found.importer)
    forbidden = HEAVY if package in LIGHT else LIGHTNING if package in WITHOUT_LIGHTNING else ()
    return bool(forbidden) and inside(found.name, *forbidden)


def breaks_zoo(found: Import) -> bool:
    if not inside(found.importer, "colorzoo.zoo") or found.importer == "colorzoo.zoo":
        return False
    folder, _, module = found.importer.removeprefix("colorzoo.zoo.").partition(".")
    if inside(found.name, "colorzoo.zoo") and found.name != "colorzoo.zoo":
        return not inside(found.name, f"colorzoo.zoo.{folder}")
    if module not in ("", "card"):
        return False
    # these two are imported to list models
    return inside(found.name, *HEAVY) or package_of(found.name) not in {*LIGHT, ""}


def test_every_module_has_a_layer() -> None:
    found = {path.stem for path in ROOT.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}
    assert found - {"__init__"} == set(FLOOR)


def test_package_imports_follow_layer_rules() -> None:
    assert len(read_imports(ROOT)) > 20  # a wrong root would contain no imports
    assert [str(found) for found in violations(ROOT)] == []


def test_import_graph_has_no_cycles() -> None:
    graph = import_graph(ROOT)
    assert any(graph.values())
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the modules


def documented_names() -> set[str]:
    """Return the packages of the pages in docs/api, and their public names."""
    pages = "".join(page.read_text("utf-8") for page in PAGES.glob("*.md"))
    packages = {"colorzoo", *re.findall(r"^::: (\S+)", pages, re.MULTILINE)}
    names = {f"{name}.{each}" for name in packages for each in importlib.import_module(name).__all__}
    return packages | names


def test_applications_import_only_documented_names() -> None:
    documented = documented_names()
    undocumented = [
        str(found)
        for found in read_imports(ROOT)
        if inside(found.importer, "colorzoo.apps")
        and inside(found.name, "colorzoo")
        and not inside(found.name, "colorzoo.apps")
        and found.name not in documented
    ]
    assert undocumented == []
