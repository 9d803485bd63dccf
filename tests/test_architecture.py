"""Import rules of docs/architecture.md: packages import only lower layers, and papers are independent."""

from dataclasses import replace
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import colorzoo
from import_graph import Import, defining_name, import_graph, inside, read_imports

ROOT = Path(colorzoo.__path__[0])
LIGHTNING = ("lightning", "pytorch_lightning", "lightning_fabric")
HEAVY = (*LIGHTNING, "torch", "torchvision", "torchmetrics", "kornia", "timm")

# Lowest layer first; packages of one layer must not import each other. See docs/architecture.md.
# The library trains and measures models; it does not import the editor.
LIBRARY = (
    "_deprecation _lazy environment precision randomness",
    "_machine errors",
    "card console files settings",
    "_files options",
    "registry",
    "color drawing",
    "guidance",
    "losses prediction",
    "abilities networks",
    "weights",
    "model",
    "factory feature_extraction",
    "pixels",
    "data",
    "metrics",
    "simulation",
    "engines",
    "plots",
    "training",
    "zoo",
    "testing",
)
EDITOR = (
    "image_io",
    "inference",
    "batch",
    "api",
    "evaluation",  # measures both halves
    "apps",
    "__main__",
)
LAYERS = (*LIBRARY, *EDITOR)
# guidance is the only package with modules of both halves
GUIDANCE_LIBRARY = {"color_statistics", "fields", "hints", "kinds", "objects", "propagate"}
GUIDANCE_EDITOR = {"areas", "border", "edits", "recipe"}
FLOOR = {name: floor for floor, names in enumerate(LAYERS) for name in names.split()}
# data must not import models
MODELS = {"networks", "losses", "prediction", "model", "factory"}
WITHOUT_LIGHTNING = set(FLOOR) - {"data", "training", "zoo", "testing", "apps"}
LIGHT = {"environment", "errors", "card", "options", "settings", "registry"}
APPS = "video", "studio", "cli"  # an application imports only applications to its left


def violations(root: Path) -> list[Import]:
    return [
        found
        for found in read_imports(root)
        if breaks_layers(found) or breaks_halves(found) or is_too_heavy(found) or breaks_zoo(found)
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


def breaks_halves(found: Import) -> bool:
    """Return whether a module of the library imports a module of the editor, or a name that it defines."""
    if found.importer.endswith("._exports"):  # names for the user, which are imported when they are used
        return False
    in_library = package_of(found.importer) in FLOOR and not in_editor(found.importer)
    return in_library and in_editor(defining_name(ROOT, found.name))


def in_editor(module: str) -> bool:
    package = package_of(module)
    if package == "guidance":
        return module.split(".")[2:3] in [[name] for name in GUIDANCE_EDITOR]
    return package in " ".join(EDITOR).split()


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
    assert found - {"__init__", "_exports"} == set(FLOOR)  # `_exports` belongs to the facade


def test_every_module_of_guidance_belongs_to_one_half() -> None:
    found = {path.stem for path in (ROOT / "guidance").glob("*.py")} - {"__init__", "_exports"}
    assert not GUIDANCE_LIBRARY & GUIDANCE_EDITOR
    assert found == GUIDANCE_LIBRARY | GUIDANCE_EDITOR


@pytest.mark.parametrize(
    ("importer", "name"),
    [
        ("data.sources", "image_io.provenance.read_provenance"),
        ("data.decode", "image_io"),
        ("zoo.levin2004.model", "inference.Colorizer"),
        ("training.command", "apps.cli._predict"),
        ("simulation.points", "evaluation"),
        ("guidance.kinds", "guidance.border.read_border"),
        ("data.hints", "guidance.Recipe"),  # names of lazy packages
        ("testing.suite", "colorize"),
    ],
)
def test_library_imports_nothing_of_the_editor(importer: str, name: str) -> None:
    found = Import(f"colorzoo.{importer}", f"colorzoo.{name}", ROOT, 1)
    assert breaks_halves(found)
    assert not breaks_halves(replace(found, importer="colorzoo.apps.cli.main"))


@pytest.mark.parametrize(
    "name", ["guidance", "guidance.Points", "guidance.kinds", "pixels.decode", "create_model"]
)
def test_library_imports_guidance_and_pixels(name: str) -> None:
    assert not breaks_halves(Import("colorzoo.data.decode", f"colorzoo.{name}", ROOT, 1))


def test_exports_of_the_library_name_modules_of_the_editor() -> None:
    found = Import("colorzoo.guidance._exports", "colorzoo.guidance.recipe.Recipe", ROOT, 1)
    assert not breaks_halves(found)
    assert breaks_halves(replace(found, importer="colorzoo.guidance.hints"))


def test_package_imports_follow_layer_rules() -> None:
    assert len(read_imports(ROOT)) > 20  # a wrong root would contain no imports
    assert [str(found) for found in violations(ROOT)] == []


def test_import_graph_has_no_cycles() -> None:
    graph = import_graph(ROOT)
    assert any(graph.values())
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the modules


def is_private(found: Import) -> bool:
    """Return whether a package imports a name or module with an underscore from inside another package."""
    importer, imported = (name.split(".") for name in (found.importer, found.name))
    if imported[0] != "colorzoo" or importer[:2] == imported[:2]:
        return False
    return any(each.startswith("_") and each != "__version__" for each in imported[2:])


def test_packages_import_only_public_names_from_other_packages() -> None:
    assert [str(found) for found in read_imports(ROOT) if is_private(found)] == []
    private = Import("colorzoo.apps.cli.main", "colorzoo.data._helper.name", ROOT, 1)
    assert is_private(private)
    assert not is_private(replace(private, importer="colorzoo.data.module"))
