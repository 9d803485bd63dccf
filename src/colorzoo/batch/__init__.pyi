from .outputs import plan_outputs as plan_outputs
from .report import ReportEntry as ReportEntry
from .report import ServedReport as ServedReport
from .report import check_report as check_report
from .report import read_entries as read_entries
from .report import serve_report as serve_report
from .report import with_thumbnails as with_thumbnails
from .report import write_report as write_report
from .runner import NOT_TRIED as NOT_TRIED
from .runner import BatchSummary as BatchSummary
from .runner import run_tasks as run_tasks
from .settings import ColorSettings as ColorSettings
from .settings import ModelSettings as ModelSettings
from .sign import load_signer as load_signer
from .sign import sign_results as sign_results
from .task import ALREADY_DONE as ALREADY_DONE
from .task import EXISTS as EXISTS
from .task import FileResult as FileResult
from .task import FileTask as FileTask
from .task import UsedFile as UsedFile
from .task import origin_of_model as origin_of_model
from .task import with_prediction as with_prediction
from .task import with_settings as with_settings

__all__ = [
    "ALREADY_DONE",
    "EXISTS",
    "NOT_TRIED",
    "BatchSummary",
    "ColorSettings",
    "FileResult",
    "FileTask",
    "ModelSettings",
    "ReportEntry",
    "ServedReport",
    "UsedFile",
    "check_report",
    "load_signer",
    "origin_of_model",
    "plan_outputs",
    "read_entries",
    "run_tasks",
    "serve_report",
    "sign_results",
    "with_prediction",
    "with_settings",
    "with_thumbnails",
    "write_report",
]
