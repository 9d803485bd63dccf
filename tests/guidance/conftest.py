"""Table of kinds of guidance and routes, from the tests that passed."""

import os
from pathlib import Path
from types import ModuleType

import pytest

PASSED: dict[str, set[str]] = {}  # kinds by route


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    """Record the kind and the route of a test that passed; a test with several cases must pass all."""
    outcome = yield
    report = outcome.get_result()
    module = getattr(item, "module", None)
    name = getattr(item, "originalname", "")
    if not isinstance(module, ModuleType) or report.when != "call":
        return
    route = getattr(module, "ROUTES", {}).get(name)
    kind = getattr(getattr(item, "callspec", None), "params", {}).get("kind")
    if route and kind:
        kinds = PASSED.setdefault(route, set())
        kinds.add(kind if report.passed else f"{kind} failed")


def pytest_sessionfinish() -> None:
    """Write the table to the file in the environment variable ``KINDS_TABLE``."""
    file = os.environ.get("KINDS_TABLE")
    if not file:
        return
    from colorzoo.guidance.kinds import BUILT_IN

    kinds = [*(kind.name for kind in BUILT_IN), "warmth"]
    lines = [f"| kind | {' | '.join(PASSED)} |", "|---" * (len(PASSED) + 1) + "|"]
    for kind in kinds:
        cells = []
        for found in PASSED.values():
            is_failed = f"{kind} failed" in found
            cells.append("failed" if is_failed else "yes" if kind in found else "")
        lines.append(f"| {kind} | {' | '.join(cells)} |")
    Path(file).write_text("\n".join(lines) + "\n")
