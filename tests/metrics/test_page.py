"""docs/metrics.md: its code runs, and its table lists every metric."""

import re
from pathlib import Path

import pytest
from mkdocs_hooks import metrics_table

from colorzoo.metrics.named import all_metrics

PAGE = (Path(__file__).parents[2] / "docs/metrics.md").read_text(encoding="utf-8")


def test_the_code_runs(capsys: pytest.CaptureFixture[str]) -> None:
    for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(compile(block, "metrics.md", "exec"), {})
    assert {"MeanPSNR", "cf_hasler", "MeanAbRMSE", "cdr"} <= set(
        re.findall(r"'(\w+)'", capsys.readouterr().out)
    )


def test_every_name_is_in_the_table() -> None:
    assert "<!-- metrics -->" in PAGE
    table = metrics_table()
    for name, found in all_metrics().items():
        (row,) = [line for line in table.splitlines() if f"`{name}`" in line]
        assert f"`{found.kind.__name__}`" in row
    cells = [row.split(" | ") for row in table.splitlines()]
    assert all(len(row) == 4 and row[2].strip() for row in cells[2:])
