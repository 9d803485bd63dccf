"""Table of the mutants that were tried and caught, by module of the library, at the end of a run."""

from __future__ import annotations

from collections import Counter

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    counts = {
        outcome: Counter(
            value
            for report in terminalreporter.stats.get(outcome, [])
            for name, value in getattr(report, "user_properties", [])
            if name == "mutated"
        )
        for outcome in ("passed", "failed")
    }
    tried = counts["passed"] + counts["failed"]
    if not tried:
        return
    terminalreporter.section("mutants by module")
    for module, number in sorted(tried.items()):
        terminalreporter.write_line(f"{module:45} {number:4} tried {counts['passed'][module]:4} caught")
    total = f"{tried.total():4} tried {counts['passed'].total():4} caught"
    terminalreporter.write_line(f"{'all':45} {total}")
