"""Batches of files: the ranges of their settings, and the memory that is kept between them."""

from mutation import Mutant, mutants_in

ROWS = {
    "settings": (
        ("strength", "Range(0, 1.5)", "Range(0, 2)"),
        ("temperature", "Range(0.01, 10)", "Range(0.001, 10)"),
        ("size", "Range(16, 4096", "Range(8, 4096"),
        ("largest-size", "Range(16, 4096", "Range(16, 8192"),
        ("quality", "Range(1, 100)", "Range(0, 100)"),
    ),
}
REFUSED = "cli/test_colorize.py::test_invalid_options_are_one_line_and_leave_no_file"
TESTS = {
    "settings": tuple(
        f"{REFUSED}[{words}]"
        for words in ("--strength 1.6-", "--temperature 0.009-", "--size 8-", "--quality 0-")
    ),
}

RUNNER, ROOM = "batch/runner.py", ("tests/batch/test_runner.py::test_the_threads_make_room_by_pixels",)
KEPT = ("tests/test_environment.py::test_freed_memory_is_kept_unless_the_user_decides",)
MUTANTS = (
    *mutants_in("batch", ROWS, TESTS),
    Mutant("room-by-shape", RUNNER, "image.width * image.height", "image.width / image.height", ROOM),
    Mutant("more-room", RUNNER, "_ROOM = 200_000_000", "_ROOM = 2_000_000_000", ROOM),
    Mutant("less-memory-is-kept", "environment.py", "_LARGEST_KEPT = 2**27,", "_LARGEST_KEPT = 2**22,", KEPT),
    Mutant("large-pieces-are-returned", "environment.py", "2**27, 2**25", "2**27, 2**16", KEPT),
    Mutant("memory-against-the-user", "environment.py", "if decided or", "if", KEPT),
)
