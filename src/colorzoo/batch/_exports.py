"""Public names of `colorzoo.batch`, which the package imports when they are used."""

from colorzoo.batch.provenance import UsedFile as UsedFile
from colorzoo.batch.provenance import model_provenance as model_provenance
from colorzoo.batch.provenance import result_provenance as result_provenance
from colorzoo.batch.provenance import used_files as used_files
from colorzoo.batch.provenance import with_prediction as with_prediction
from colorzoo.batch.provenance import with_source as with_source
from colorzoo.batch.recipes import with_references as with_references
from colorzoo.batch.recipes import with_settings as with_settings
from colorzoo.batch.report import ReportEntry as ReportEntry
from colorzoo.batch.report import ServedReport as ServedReport
from colorzoo.batch.report import check_report as check_report
from colorzoo.batch.report import read_entries as read_entries
from colorzoo.batch.report import serve_report as serve_report
from colorzoo.batch.report import write_report as write_report
from colorzoo.batch.runner import NOT_TRIED as NOT_TRIED
from colorzoo.batch.runner import FileColorizer as FileColorizer
from colorzoo.batch.settings import ColorSettings as ColorSettings
from colorzoo.batch.settings import ModelSettings as ModelSettings
from colorzoo.batch.sheet import draw_sheet as draw_sheet
from colorzoo.batch.sheet import write_sheet as write_sheet
from colorzoo.batch.sign import load_signer as load_signer
from colorzoo.batch.sign import sign_results as sign_results
from colorzoo.batch.task import ALREADY_DONE as ALREADY_DONE
from colorzoo.batch.task import FileResult as FileResult
from colorzoo.batch.task import FileTask as FileTask
from colorzoo.batch.task import plan_outputs as plan_outputs
