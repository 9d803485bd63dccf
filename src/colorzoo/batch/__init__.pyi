from .provenance import UsedFile as UsedFile
from .provenance import input_files as input_files
from .provenance import model_provenance as model_provenance
from .provenance import result_provenance as result_provenance
from .provenance import used_files as used_files
from .provenance import with_prediction as with_prediction
from .provenance import with_source as with_source
from .recipes import with_references as with_references
from .recipes import with_settings as with_settings
from .report import ReportEntry as ReportEntry
from .report import ServedReport as ServedReport
from .report import check_report as check_report
from .report import read_entries as read_entries
from .report import report_pages as report_pages
from .report import serve_report as serve_report
from .report import write_report as write_report
from .runner import NOT_TRIED as NOT_TRIED
from .runner import FileColorizer as FileColorizer
from .settings import ColorSettings as ColorSettings
from .settings import ModelSettings as ModelSettings
from .sheet import draw_sheet as draw_sheet
from .sheet import sheet_provenance as sheet_provenance
from .sheet import write_sheet as write_sheet
from .sign import load_signer as load_signer
from .sign import sign_results as sign_results
from .task import ALREADY_DONE as ALREADY_DONE
from .task import FileResult as FileResult
from .task import FileTask as FileTask
from .task import plan_outputs as plan_outputs

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
    "input_files",
    "load_signer",
    "model_provenance",
    "plan_outputs",
    "read_entries",
    "report_pages",
    "result_provenance",
    "serve_report",
    "sheet_provenance",
    "sign_results",
    "used_files",
    "with_prediction",
    "with_references",
    "with_settings",
    "with_source",
    "write_report",
    "write_sheet",
]
