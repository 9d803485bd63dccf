"""The bundled scripts and the style sheet of the pad."""

import re
from pathlib import Path

import colorzoo.apps.studio
from colorzoo.apps.studio.bundle import pad_module, pad_style

STATIC = Path(colorzoo.apps.studio.__path__[0]) / "static"
DECLARED = re.compile(r"^(?:export )?(?:async )?(?:function|class|const|let) (\w+)", re.MULTILINE)


def test_pad_module_contains_all_scripts() -> None:
    text = pad_module()
    assert not re.search(r"^import\s", text, re.MULTILINE)
    assert text.count("export default") == 1
    declared = DECLARED.findall(text)
    assert sorted(declared) == sorted(set(declared))
    for path in (STATIC / "js").glob("*.js"):
        assert DECLARED.findall(path.read_text(encoding="utf-8"))[0] in declared, path


def test_pad_files_load_nothing_from_other_hosts() -> None:
    page = (STATIC / "index.html").read_text(encoding="utf-8")
    for text in (pad_module(), pad_style(), page):
        addresses = set(re.findall(r"(?:https?:)?//[\w.-]+\.\w+[^\s\"')]*", text))
        assert addresses <= {"http://www.w3.org/2000/svg"}
    assert "@import" not in pad_style()
    assert not re.search(r"<script(?! type=\"module\" src)|<style|\sstyle=|\son\w+=", page)


def test_pad_style_selectors_are_scoped_to_the_pad() -> None:
    text = re.sub(r"/\*.*?\*/", "", pad_style(), flags=re.DOTALL)
    text = re.sub(r"@keyframes[^{]*\{(?:[^{}]*\{[^}]*\})*\s*\}", "", text)
    selectors = [part.strip() for part in re.findall(r"([^{}]+)\{", text)]
    loose = [part for part in selectors if not part.startswith(("@", ".colorzoo-pad", ".colorzoo-page"))]
    assert loose == []
    assert len(selectors) > 100
