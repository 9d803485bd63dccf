"""The documentation site is complete, builds without a warning and loads nothing from other hosts."""

import os
import re
import subprocess
import sys
import tomllib
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import mkdocs_hooks
import pytest

import colorzoo
from colorzoo.registry import list_models, model_card

REPOSITORY = Path(__file__).parent.parent
DOCS = REPOSITORY / "docs"
PAGES = [REPOSITORY / "README.md", *DOCS.rglob("*.md"), *REPOSITORY.glob("src/colorzoo/zoo/*/README.md")]
LOADED = re.compile(
    r"""<(?:script|img|iframe|source)[^>]*\ssrc=["']?(https?:[^"' >]+)"""
    r"""|<link[^>]*href=["']?(https?:[^"' >]+)"""
)


def test_no_paragraph_stands_on_two_pages() -> None:
    texts = [page.read_text(encoding="utf-8") for page in PAGES if page.parent.name != "claims"]
    paragraphs = Counter(
        " ".join(part.split())
        for text in texts
        for part in re.split(r"\n\s*\n", text)
        if len(part.split()) > 12
    )
    assert [paragraph for paragraph, count in paragraphs.items() if count > 1] == []


def test_every_picture_is_shown() -> None:
    shown = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    notebooks = "".join(path.read_text(encoding="utf-8") for path in REPOSITORY.glob("notebooks/*.ipynb"))
    pictures = [path for path in DOCS.rglob("*.*") if path.suffix in (".jpg", ".png", ".svg")]
    unused = [
        path.name for path in pictures if "sources" not in path.parts and path.name not in shown + notebooks
    ]
    assert unused == []


def test_every_extra_is_on_the_page_of_installation() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    page = (DOCS / "install.md").read_text(encoding="utf-8")
    assert [name for name in project["optional-dependencies"] if f"| `{name}` |" not in page] == []


def test_a_notebook_becomes_a_page_with_its_outputs() -> None:
    text, pictures = mkdocs_hooks.notebook_page(REPOSITORY / "notebooks" / "measuring.ipynb")
    assert text.startswith("# Measuring models")
    assert "```python\nimport tempfile" in text
    assert [name for name in pictures if f"]({name})" not in text] == []
    assert all(content.startswith(b"\xff\xd8") for content in pictures.values())
    assert len(pictures) == 3


def test_links_to_notebooks_lead_to_their_pages() -> None:
    link = "[the notebook](../notebooks/measuring.ipynb)"
    assert mkdocs_hooks.resolve_links(link, "evaluate.md", DOCS) == "[the notebook](notebooks/measuring.md)"
    picture = "![pad](../docs/images/studio_work.jpg)"
    shown = mkdocs_hooks.resolve_links(picture, "notebooks/interactive.md", DOCS)
    assert shown == "![pad](../images/studio_work.jpg)"


def test_a_summary_says_what_the_model_is() -> None:
    summaries = Counter(model_card(name).summary for name in list_models())
    assert [text for text, count in summaries.items() if count > 1] == []
    assert [text for text in summaries if re.match(r"(The same|The control|A narrow)\b", text)] == []


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    for package in ("mkdocs", "material", "mkdocstrings"):
        if find_spec(package) is None:
            pytest.skip(f'missing, not passed: {package}; python -m pip install "colorzoo[docs]"')
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(out)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return out


@pytest.mark.nightly
@pytest.mark.timeout(900)
def test_nothing_is_loaded_from_other_hosts(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 40
    assert (site / "notebooks" / "measuring_0.jpg").is_file()
    assert "0.2.0" in (site / "changelog.html").read_text(encoding="utf-8")
    assert {found for page in pages for found in LOADED.findall(page.read_text(encoding="utf-8"))} == set()


@pytest.mark.nightly
@pytest.mark.timeout(900)
def test_every_page_is_in_the_navigation(site: Path) -> None:
    start = (site / "index.html").read_text(encoding="utf-8")
    linked = set(re.findall(r'href="([^"#:]+\.html)"', start))
    pages = {page.relative_to(site).as_posix() for page in site.rglob("*.html")} - {"404.html", "index.html"}
    assert pages - linked == set()


@pytest.mark.nightly
@pytest.mark.timeout(900)
def test_every_public_name_is_in_the_reference(site: Path) -> None:
    shown = "".join(page.read_text(encoding="utf-8") for page in (site / "api").glob("*.html"))
    anchors = {name.rpartition(".")[2] for name in re.findall(r'id="(colorzoo\.[^"]+)"', shown)}
    assert set(colorzoo.__all__) - {"__version__"} - anchors == set()


@pytest.mark.nightly
@pytest.mark.timeout(900)
def test_models_and_help_texts_are_filled_in(site: Path) -> None:
    assert "zhang2017_local_small</a>" in (site / "choose.html").read_text(encoding="utf-8")
    reference = (site / "cli.html").read_text(encoding="utf-8")
    assert all(f'id="colorzoo-{verb}"' in reference for verb in ("colorize", "studio", "weights"))
