"""docs/metrics.md: its code runs, and its tables list every metric."""

import re
from pathlib import Path

import pytest
from torchmetrics import Metric

from colorzoo import metrics

PAGE = (Path(__file__).parents[2] / "docs/metrics.md").read_text(encoding="utf-8")
CLASSES = [
    name
    for name in metrics.__all__
    if isinstance(found := getattr(metrics, name), type) and issubclass(found, Metric)
]


def test_the_code_runs(capsys: pytest.CaptureFixture[str]) -> None:
    for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(compile(block, "metrics.md", "exec"), {})
    assert {"MeanPSNR", "cf_hasler", "MeanAbRMSE", "cdr"} <= set(
        re.findall(r"'(\w+)'", capsys.readouterr().out)
    )


@pytest.mark.parametrize("name", CLASSES)
def test_every_metric_has_its_row(name: str) -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("|")]
    assert any(f"`{name}`" in row for row in rows)
