"""The pages of the models are those that their cards and READMEs make."""

from pathlib import Path

from colorzoo.registry import list_models
from model_pages import COMMITTED, load_generator


def read_pages(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.md")}


def test_the_committed_pages_are_up_to_date(tmp_path: Path) -> None:
    load_generator().write_pages(tmp_path)
    assert read_pages(COMMITTED) == read_pages(tmp_path), "run `python -m benchmarks.pages.models`"
    assert {f"{name}.md" for name in list_models()} <= read_pages(COMMITTED).keys()


def test_the_page_of_a_model_that_is_gone_is_removed(tmp_path: Path) -> None:
    (tmp_path / "gone2001.md").write_text("old")
    load_generator().write_pages(tmp_path)
    assert "gone2001.md" not in read_pages(tmp_path)
