"""Public names of `colorzoo.batch`, which the package imports when they are used."""

from colorzoo.batch.provenance import (
    UsedFile,
    model_provenance,
    result_provenance,
    used_files,
    with_prediction,
    with_source,
)
from colorzoo.batch.recipes import with_references, with_settings
from colorzoo.batch.report import (
    ReportEntry,
    ServedReport,
    check_report,
    read_entries,
    serve_report,
    write_report,
)
from colorzoo.batch.runner import NOT_TRIED, FileColorizer
from colorzoo.batch.settings import ColorSettings, ModelSettings
from colorzoo.batch.sheet import draw_sheet, write_sheet
from colorzoo.batch.sign import load_signer, sign_results
from colorzoo.batch.task import ALREADY_DONE, FileResult, FileTask, plan_outputs

__all__ = [
    "ALREADY_DONE",
    "NOT_TRIED",
    "ColorSettings",
    "FileColorizer",
    "FileResult",
    "FileTask",
    "ModelSettings",
    "ReportEntry",
    "ServedReport",
    "UsedFile",
    "check_report",
    "draw_sheet",
    "load_signer",
    "model_provenance",
    "plan_outputs",
    "read_entries",
    "result_provenance",
    "serve_report",
    "sign_results",
    "used_files",
    "with_prediction",
    "with_references",
    "with_settings",
    "with_source",
    "write_report",
    "write_sheet",
]
