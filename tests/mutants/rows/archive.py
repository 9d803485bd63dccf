"""Reports of runs, and bags of their results."""

from mutation import Mutant

REPORT, BAG, RUNNER = "batch/report.py", "batch/bag.py", "batch/runner.py"
ON_REPORT, ON_BAG = "tests/batch/test_report.py", "tests/batch/test_bag.py"
REFUSED = (f"{ON_REPORT}::test_what_cannot_be_a_report_is_refused_before_the_work",)
ORDER = (f"{ON_REPORT}::test_failed_pictures_come_first_then_the_most_doubtful",)
AGAIN = (f"{ON_REPORT}::test_a_second_run_tells_the_same_of_results_that_are_there",)
NO_TEXT = (f"{ON_REPORT}::test_names_that_are_no_text_are_kept_in_a_table",)
SMALL = (f"{ON_REPORT}::test_thumbnails_are_small_jpegs_in_gray_and_in_color",)
LONG = (f"{ON_REPORT}::test_a_page_has_at_most_a_thousand_pictures",)
SERVED = ("tests/studio/test_browser_report.py::test_photos_outside_the_report_are_refused",)
VALID = (f"{ON_BAG}::test_a_bag_is_valid_and_a_change_is_found",)
LATER = (f"{ON_BAG}::test_a_later_run_keeps_what_an_archive_added",)
LINES = (f"{ON_BAG}::test_a_line_break_in_a_name_is_kept",)

MUTANTS = (
    Mutant(
        "report-of-any-kind",
        REPORT,
        'KINDS = (".csv", ".html")',
        'KINDS = (".csv", ".html", ".txt")',
        REFUSED,
    ),
    Mutant("report-over-any-file", REPORT, "return not beginning or", "return True or", REFUSED),
    Mutant(
        "report-over-a-folder",
        REPORT,
        "path.is_file() and _is_report",
        "not path.is_file() or _is_report",
        REFUSED,
    ),
    Mutant("report-pages-too-long", REPORT, "PER_PAGE = 1000", "PER_PAGE = 1001", LONG),
    Mutant("report-over-others-pages", REPORT, "for page in pages:\n", "for page in pages[:1]:\n", LONG),
    Mutant("thumbnails-too-large", REPORT, "_THUMBNAIL = 240", "_THUMBNAIL = 320", SMALL),
    Mutant("thumbnails-of-another-quality", REPORT, "_QUALITY = 80", "_QUALITY = 90", SMALL),
    Mutant("gray-thumbnails-have-colors", REPORT, "torch.zeros_like(lab[1:])", "lab[1:]", SMALL),
    Mutant("least-doubt-first", REPORT, "-(entry.doubt or 0)", "(entry.doubt or 0)", ORDER),
    Mutant("failed-last", REPORT, "(bool(entry.result),", "(not entry.result,", ORDER),
    Mutant("failed-left-out", REPORT, "if result.failed:", "if result.failed and result.output:", ORDER),
    Mutant("skipped-are-told", REPORT, "elif result.finished:", "elif not result.failed:", ORDER),
    Mutant(
        "chroma-of-the-frame-too",
        REPORT,
        "_within(lab[1:], inside, (levels.shape[1], levels.shape[0]))",
        "lab[1:]",
        ORDER,
    ),
    Mutant("source-of-another-hash", REPORT, "record.source if record else", "digest if record else", ORDER),
    Mutant("earlier-results-left-out", RUNNER, " or ALREADY_DONE in self.notes", "", AGAIN),
    Mutant("earlier-results-are-noted", REPORT, " if note != ALREADY_DONE", "", AGAIN),
    Mutant("a-name-ends-the-script", REPORT, '.replace("<", "\\\\u003c")', "", NO_TEXT),
    Mutant("odd-names-are-lost", REPORT, '"utf-8", "surrogateescape"', '"utf-8", "replace"', NO_TEXT),
    Mutant("any-script-runs", REPORT, "'sha256-{own}'", "'unsafe-inline'", SERVED),
    Mutant("any-photo-is-opened", "studio/app.py", "or name not in self.report.sources", "", SERVED),
    Mutant("named-photo-is-ignored", "studio/studio.py", "if named is not None:", "if named == 0:", SERVED),
    Mutant("payload-of-another-name", BAG, 'PAYLOAD = "data"', 'PAYLOAD = "payload"', VALID),
    Mutant("bag-that-decodes-names", BAG, '_VERSION = "0.97"', '_VERSION = "1.0"', VALID),
    Mutant("bag-of-another-sum", BAG, '"manifest-sha256.txt", "tag', '"manifest-sha512.txt", "tag', VALID),
    Mutant("tags-of-another-sum", BAG, '"tagmanifest-sha256.txt"', '"tagmanifest-sha512.txt"', VALID),
    Mutant("bag-without-declaration", BAG, '"bagit.txt"', '"bag.txt"', VALID),
    Mutant("bag-without-information", BAG, '"bag-info.txt"', '"information.txt"', VALID),
    Mutant("payload-size-is-wrong", BAG, "size += path.stat().st_size", "size += 1", VALID),
    Mutant("tags-without-sums", BAG, "for name in tags)", "for name in tags if not name)", VALID),
    Mutant("payload-not-deep", BAG, 'payload.rglob("*")', 'payload.glob("*")', VALID),
    Mutant("information-is-lost", BAG, '.partition(":")[0] not in information', " == ''", LATER),
    Mutant("information-is-doubled", BAG, '.partition(":")[0] not in information', " != ''", LATER),
    Mutant("line-feed-in-a-manifest", BAG, '.replace("\\n", "%0A")', "", LINES),
    Mutant("return-in-a-manifest", BAG, '.replace("\\r", "%0D")', "", LINES),
    Mutant("bag-tells-no-progress", BAG, "        advance()\n", "", LINES),
    Mutant(
        "names-that-are-no-text",
        BAG,
        "path.as_posix().encode()\n    except",
        'path.as_posix().encode(errors="replace")\n    except',
        (f"{ON_BAG}::test_a_name_that_is_no_text_is_refused",),
    ),
    Mutant(
        "half-a-bag-looks-whole",
        BAG,
        "    (bag / _TAG_MANIFEST).unlink(missing_ok=True)\n",
        "",
        (f"{ON_BAG}::test_a_bag_whose_making_was_cut_short_is_incomplete",),
    ),
    Mutant(
        "results-that-are-no-payload",
        BAG,
        "output is None or folder.name != PAYLOAD or",
        "",
        (f"{ON_BAG}::test_results_that_are_no_payload_are_refused_before_the_work",),
    ),
    Mutant(
        "sums-of-another-kind-are-outdated",
        BAG,
        "    if others:",
        "    if False:",
        (f"{ON_BAG}::test_checksums_of_another_kind_are_not_outdated",),
    ),
)
