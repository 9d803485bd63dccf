"""MkDocs hooks that add model pages, notebooks, tables and help texts, and resolve links."""

from __future__ import annotations

import ast
import base64
import json
import os
import re
import subprocess
import sys
from importlib import import_module
from importlib.resources import files
from pathlib import Path, PurePosixPath
from posixpath import join, normpath, relpath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

    from colorzoo.card import ModelCard

_LINK = re.compile(r"(!?)\[([^\]]*)\]\((\.\.?/[^)#\s]+)(#[^)\s]*)?\)")
_PAPER = re.compile(r"\.\./src/colorzoo/zoo/(\w+)/README\.md")
_PAPERS = "models"
_NOTEBOOK = re.compile(r"\.\./notebooks/(\w+)\.ipynb")
_NOTEBOOKS = "notebooks"
_IMAGES = {"image/jpeg": "jpg", "image/png": "png"}
_PAD = re.compile(r"<!-- pad -->\n(.*?)<!-- /pad -->\n", re.DOTALL)
_PAD_PHOTO = re.compile(r"pad/index\.html\?photo=([\w.]+)")
_PAD_PAGE, _PAD_PHOTOS = "try.md", Path("images/sources")
_NO_PAD = "*To include the drawing pad, build with `COLORZOO_SITE_PAD=1 mkdocs build --strict`.*\n"


def on_files(files: Files, config: MkDocsConfig) -> None:
    """Add the model pages, the notebooks and the changelog, and expand folders in the navigation."""
    from mkdocs.structure.files import File

    for package, text in sorted(paper_pages().items()):
        files.append(File.generated(config, f"{_PAPERS}/{package}.md", content=text))
    root = Path(config.docs_dir).parent
    for path in sorted((root / _NOTEBOOKS).glob("*.ipynb")):
        text, images = notebook_page(path)
        files.append(File.generated(config, f"{_NOTEBOOKS}/{path.stem}.md", content=text))
        for name, content in images.items():
            files.append(File.generated(config, f"{_NOTEBOOKS}/{name}", content=content))
    changes = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    files.append(File.generated(config, "changelog.md", content=changes))
    pages = sorted(file.src_uri for file in files.documentation_pages())
    config.nav = _with_folders(config.nav or [], pages)


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, **_: Any) -> str:
    """Insert generated tables and help texts, and resolve links to files outside ``docs/``."""
    uri = page.file.src_uri
    if uri == _PAD_PAGE and not _has_pad():
        markdown = _PAD.sub(_NO_PAD, markdown)
    if "<!-- all models -->" in markdown:
        markdown = markdown.replace("<!-- all models -->", models_table())
    if "<!-- variants -->" in markdown:
        markdown = markdown.replace("<!-- variants -->", models_table(PurePosixPath(uri).stem))
    if "<!-- help -->" in markdown:
        markdown = markdown.replace("<!-- help -->", help_texts())
    if "<!-- metrics -->" in markdown:
        markdown = markdown.replace("<!-- metrics -->", metrics_table())
    if "<!-- abilities -->" in markdown:
        markdown = markdown.replace("<!-- abilities -->", abilities_table())
    if "<!-- public names -->" in markdown:
        markdown = markdown.replace("<!-- public names -->", public_names(Path(config.docs_dir)))
    return resolve_links(markdown, uri, Path(config.docs_dir))


def on_post_build(config: MkDocsConfig) -> None:
    """Add the drawing pad and the example photos of its page to the site."""
    if not _has_pad():
        return
    docs = Path(config.docs_dir)
    names = _PAD_PHOTO.findall((docs / _PAD_PAGE).read_text(encoding="utf-8"))
    photos = [str(docs / _PAD_PHOTOS / name) for name in names]
    pad = str(Path(config.site_dir) / "pad")
    subprocess.run([sys.executable, "-m", "colorzoo", "studio", *photos, "--static", pad], check=True)


def paper_pages() -> dict[str, str]:
    """Return the ``README.md`` of each registered model, keyed by package name."""
    pages = {}
    for package in {_package(card) for card in _cards()}:
        readme = files(package) / "README.md"
        if readme.is_file():
            pages[package.rpartition(".")[2]] = readme.read_text(encoding="utf-8")
    return pages


def notebook_page(path: Path) -> tuple[str, dict[str, bytes]]:
    """Convert a notebook to Markdown, and return the text and a dictionary from file names to images."""
    parts: list[str] = []
    images: dict[str, bytes] = {}
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        parts.append(source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```")
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            kind = next((kind for kind in _IMAGES if kind in data), None)
            if kind is not None:
                name = f"{path.stem}_{len(images)}.{_IMAGES[kind]}"
                images[name] = base64.b64decode("".join(data[kind]))
                parts.append(f"![Output of the cell above]({name})")
            elif "text/markdown" in data:
                parts.append("".join(data["text/markdown"]))
            elif text := "".join(output.get("text") or data.get("text/plain", "")).rstrip():
                parts.append(f"```text\n{text}\n```")
    parts.append(f"*To run this notebook, open `{_NOTEBOOKS}/{path.name}` of the repository.*")
    return "\n\n".join(parts) + "\n", images


def models_table(of_package: str | None = None) -> str:
    """Return a Markdown table of models.

    Args:
        of_package: Package whose models are listed; None lists all models with links to their pages.
    """
    lines = ["| model | description | guidance | parameters | weights |", "|---|---|---|---|---|"]
    pages = paper_pages() if of_package is None else {}
    for card in _cards():
        package = _package(card).rpartition(".")[2]
        if of_package not in (None, package):
            continue
        name = f"[{card.name}]({_PAPERS}/{package}.md)" if package in pages else card.name
        cells = (name, card.summary, ", ".join(card.guidance), f"{card.parameters:,}", weights_summary(card))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def metrics_table() -> str:
    """Return a Markdown table of all metrics: names, class, description and better direction."""
    from colorzoo.metrics.named import all_metrics

    kinds = {found.kind for found in all_metrics().values()}
    lines = ["| name | class | value | better |", "|---|---|---|---|"]
    for kind in sorted(kinds, key=lambda kind: min(kind.names)):
        names = ", ".join(f"`{name}`" for name in kind.names)
        meaning = (kind.__doc__ or "").partition("\n")[0]
        better = {True: "higher", False: "lower"}.get(kind.higher_is_better, "")
        lines.append(f"| {names} | `{kind.__name__}` | {meaning} | {better} |")
    return "\n".join(lines)


def abilities_table() -> str:
    """Return a Markdown table of the mixins in `colorzoo.abilities` and the models that inherit from them."""
    from colorzoo import abilities
    from colorzoo.registry import load_model_class

    kinds = {card.name: load_model_class(card) for card in _cards()}
    lines = ["| mixin | models |", "|---|---|"]
    for name in abilities.__all__:
        mixin = getattr(abilities, name)
        if isinstance(mixin, type):
            models = [model for model, kind in kinds.items() if issubclass(kind, mixin)]
            lines.append(f"| [`{name}`](#colorzoo.abilities.{name}) | {', '.join(models)} |")
    return "\n".join(lines)


def weights_summary(card: ModelCard) -> str:
    """Return how the user obtains the weights of a model."""
    entries = card.weights.values()
    if not card.trainable:
        return "none needed"
    if any(entry.file for entry in entries):
        return "included"
    return "download" if any(entry.urls for entry in entries) else "no download"


def help_texts() -> str:
    """Return the ``--help`` output of each command, as Markdown sections."""
    from colorzoo.apps.cli.main import VERBS, all_verbs

    environment = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1"}

    def show(*words: str) -> str:
        command = [sys.executable, "-m", "colorzoo", *words, "--help"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return done.stdout.rstrip()

    verbs = [
        f"{name} {action}".strip()
        for name in all_verbs()
        for action in (import_module(VERBS[name]).COMMANDS if name in VERBS else [""])
    ]
    return "\n".join(f"## colorzoo {verb}\n\n```text\n{show(*verb.split())}\n```\n" for verb in verbs)


def public_names(docs: Path) -> str:
    """Return mkdocstrings directives for the public names without a page in ``docs/api``."""
    exports = ast.parse((files("colorzoo") / "_exports.py").read_text(encoding="utf-8"))
    members: dict[str, list[str]] = {}
    for node in ast.walk(exports):
        if isinstance(node, ast.ImportFrom):
            module = str(node.module).removeprefix("colorzoo.")
            if not (docs / "api" / f"{module}.md").is_file():
                members.setdefault(module, []).extend(each.name for each in node.names)
    options = "    options:\n      show_root_heading: false\n      inherited_members: true\n      members: "
    return "\n".join(
        f"::: colorzoo.{module}\n{options}[{', '.join(names)}]\n" for module, names in members.items()
    )


def resolve_links(markdown: str, uri: str, docs: Path) -> str:
    """Redirect links to model pages and notebooks, and replace links to other files by their text."""
    here = str(PurePosixPath(uri).parent)
    paper = f"../src/colorzoo/zoo/{PurePosixPath(uri).stem}"
    written = {_PAPERS: paper, _NOTEBOOKS: f"../{_NOTEBOOKS}"}.get(here, here)

    def resolved(link: re.Match[str]) -> str:
        image, text, target, anchor = link[1], link[2], normpath(join(written, link[3])), link[4] or ""
        if paper := _PAPER.fullmatch(target):
            target = f"{_PAPERS}/{paper[1]}.md"
        elif notebook := _NOTEBOOK.fullmatch(target):
            target = f"{_NOTEBOOKS}/{notebook[1]}.md"
        elif target.startswith("../docs/"):
            target = target.removeprefix("../docs/")
        elif target.startswith("../"):
            outside = (docs / target).exists()
            return f'<abbr title="{target.removeprefix("../")}">{text}</abbr>' if outside else link[0]
        return f"{image}[{text}]({relpath(target, here)}{anchor})"

    return _LINK.sub(resolved, markdown)


def _with_folders(entries: list[Any], pages: list[str]) -> list[Any]:
    found: list[Any] = []
    for entry in entries:
        if isinstance(entry, dict):
            found += [
                {title: _with_folders(content, pages) if isinstance(content, list) else content}
                for title, content in entry.items()
            ]
        elif entry.endswith("/"):
            inside = [page for page in pages if page.startswith(entry)]
            found += sorted(inside, key=lambda page: (not page.endswith("/index.md"), page))
        else:
            found.append(entry)
    return found


def _cards() -> list[ModelCard]:
    from colorzoo.registry import list_models, model_card

    return [model_card(name) for name in list_models()]


def _package(card: ModelCard) -> str:
    return card.task.partition(":")[0].rpartition(".")[0]


def _has_pad() -> bool:
    return os.environ.get("COLORZOO_SITE_PAD", "") not in ("", "0")
