"""What mkdocs.yml asks of its navigation, and links that leave docs/."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from posixpath import join, normpath
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page

_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\((\.\.?/[^)#\s]+)(#[^)\s]*)?\)")
_ALL_OTHERS = "*"
_PAD = re.compile(r"<!-- pad -->\n(.*?)<!-- /pad -->\n", re.DOTALL)
_PAD_PHOTO = re.compile(r"pad/index\.html\?photo=([\w.]+)")
_PAD_PAGE, _PAD_PHOTOS = "try.md", Path("images/sources")
_WITHOUT = "*This site was built without it; `COLORZOO_SITE_PAD=1 mkdocs build --strict` adds it.*\n"


def on_files(files: Files, config: MkDocsConfig) -> None:
    """Put the pages of a folder where the navigation names it, and those without a place at ``*``."""
    pages = sorted(file.src_uri for file in files.documentation_pages())
    nav = _with_folders(config.nav, pages)
    named = set(_leaves(nav))
    config.nav = _with_others(nav, [page for page in pages if page not in named])


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, **_: Any) -> str:
    """Make plain text of links to files that are not on the site; a tip says which file it is."""

    def replaced(link: re.Match[str]) -> str:
        target = normpath(join(str(PurePosixPath(page.file.src_uri).parent), link[2]))
        outside = target.startswith("../") and (Path(config.docs_dir) / target).exists()
        return f'<abbr title="{target.removeprefix("../")}">{link[1]}</abbr>' if outside else link[0]

    if page.file.src_uri == _PAD_PAGE and not _wants_pad():
        markdown = _PAD.sub(lambda _: _WITHOUT, markdown)
    return _LINK.sub(replaced, markdown)


def on_post_build(config: MkDocsConfig) -> None:
    """Write the drawing pad into the site, with the photos that its page names."""
    if not _wants_pad():
        return
    docs = Path(config.docs_dir)
    names = _PAD_PHOTO.findall((docs / _PAD_PAGE).read_text(encoding="utf-8"))
    photos = [str(docs / _PAD_PHOTOS / name) for name in names]
    pad = str(Path(config.site_dir) / "pad")
    subprocess.run([sys.executable, "-m", "colorzoo", "studio", *photos, "--static", pad], check=True)


def _wants_pad() -> bool:
    return os.environ.get("COLORZOO_SITE_PAD", "") not in ("", "0")


def _with_folders(entries: list[Any], pages: list[str]) -> list[Any]:
    found = []
    for entry in entries:
        if not isinstance(entry, dict):
            found.append(entry)
            continue
        ((title, content),) = entry.items()
        if isinstance(content, list):
            found.append({title: _with_folders(content, pages)})
        elif content in pages:  # a page that is gone leaves no hole
            found.append(entry)
        elif inside := [page for page in pages if page.startswith(content)]:
            found.append({title: sorted(inside, key=lambda page: (not _is_index(page), page))})
    return found


def _with_others(entries: list[Any], others: list[str]) -> list[Any]:
    found = []
    for entry in entries:
        if isinstance(entry, dict):
            found.append(
                {title: _with_others(c, others) if isinstance(c, list) else c for title, c in entry.items()}
            )
        else:
            found += others if entry == _ALL_OTHERS else [entry]
    return found


def _leaves(entries: list[Any]) -> Iterator[str]:
    for entry in entries:
        if isinstance(entry, str):
            yield entry
        else:
            for content in entry.values():
                yield from [content] if isinstance(content, str) else _leaves(content)


def _is_index(page: str) -> bool:
    return PurePosixPath(page).name in ("index.md", "README.md")
