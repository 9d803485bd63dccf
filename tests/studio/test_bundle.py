"""The pad's script and style: joined into one file each, nothing from elsewhere, nothing left over."""

import re
from pathlib import Path

import pytest

import colorzoo.studio
from colorzoo.studio.bundle import joined_module, pad_module, pad_style

STATIC = Path(colorzoo.studio.__path__[0]) / "static"
SERVICE = "service"  # a script of its own, which the page's build writes a line above
MODULES = {
    path.stem: path.read_text(encoding="utf-8")
    for folder in ("js", "alone")
    for path in (STATIC / folder).glob("*.js")
    if path.stem != SERVICE
}
IMPORTED = re.compile(r'^import\s*\{([^}]*)\}\s*from\s+"\.{1,2}/(?:\w+/)?(\w+)\.js";', re.MULTILINE)
EXPORTED = re.compile(r"^export\s*\{([^}]*)\};", re.MULTILINE)
DECLARED = re.compile(r"^(?:export )?(?:async )?(?:function|class|const|let) (\w+)", re.MULTILINE)


def names(text: str) -> set[str]:
    return {name.strip() for name in text.split(",") if name.strip()}


def exported(module: str) -> set[str]:
    return {name for match in EXPORTED.findall(MODULES[module]) for name in names(match)}


def imported() -> dict[str, set[str]]:
    used: dict[str, set[str]] = {name: set() for name in MODULES}
    for source in MODULES.values():
        for listed, module in IMPORTED.findall(source):
            used[module] |= names(listed)
    return used


def test_the_script_is_one_module_that_imports_nothing() -> None:
    text = pad_module()
    assert not re.search(r"^import\s", text, re.MULTILINE)
    assert text.count("export default") == 1
    assert set(re.findall(r"^export \{ (\w+) \};", text, re.MULTILINE)) == {"webTransport"}
    assert set(re.findall(r"^export function (\w+)", text, re.MULTILINE)) == {"mountPad"}
    assert len(DECLARED.findall(text)) > 200


@pytest.mark.parametrize("entry", ["js/pad", "alone/worker"])
def test_no_name_is_declared_twice(entry: str) -> None:
    declared = DECLARED.findall(joined_module(entry))
    assert sorted(declared) == sorted(set(declared))


def test_every_module_is_joined_and_every_import_exists() -> None:
    text = pad_module() + joined_module("alone/worker")
    for source in MODULES.values():
        assert DECLARED.findall(source)[0] in text
    for module, used in imported().items():
        assert used <= exported(module), module


@pytest.mark.parametrize("module", sorted(set(MODULES) - {"pad"}))
def test_no_export_is_left_over(module: str) -> None:
    assert exported(module) - imported()[module] == set()


def test_nothing_comes_from_elsewhere() -> None:
    page = (STATIC / "index.html").read_text(encoding="utf-8")
    for text in (pad_module(), pad_style(), page):
        addresses = set(re.findall(r"(?:https?:)?//[\w.-]+\.\w+[^\s\"')]*", text))
        assert addresses <= {"http://www.w3.org/2000/svg"}
    assert "@import" not in pad_style()
    assert not re.search(r"<script(?! type=\"module\" src)|<style|\sstyle=|\son\w+=", page)


def test_the_style_touches_only_the_pad() -> None:
    text = re.sub(r"/\*.*?\*/", "", pad_style(), flags=re.DOTALL)
    text = re.sub(r"@keyframes[^{]*\{(?:[^{}]*\{[^}]*\})*\s*\}", "", text)
    selectors = [part.strip() for part in re.findall(r"([^{}]+)\{", text)]
    loose = [part for part in selectors if not part.startswith(("@", ".colorzoo-pad", ".colorzoo-page"))]
    assert loose == []
    assert len(selectors) > 100


def test_scripts_stay_small() -> None:
    lines = {name: len(source.splitlines()) for name, source in MODULES.items()}
    assert {name: count for name, count in lines.items() if count > 500} == {}
