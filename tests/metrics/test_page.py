"""The code of docs/metrics.md runs."""

import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs/metrics.md").read_text(encoding="utf-8")


def test_the_code_runs(capsys: pytest.CaptureFixture[str]) -> None:
    for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(compile(block, "metrics.md", "exec"), {})
    assert {"MeanPSNR", "cf_hasler", "MeanAbRMSE", "cdr"} <= set(
        re.findall(r"'(\w+)'", capsys.readouterr().out)
    )
