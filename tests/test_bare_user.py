"""Users without a home folder, programs without standard streams, and the home folder in records."""

import os
import pwd
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from colorzoo import console
from colorzoo._files import expand_user
from colorzoo._machine import hide_home
from colorzoo.errors import ColorzooError
from colorzoo.weights.catalog import cache_home

MAIN = "import sys; from colorzoo.apps.cli.main import main; sys.exit(main(sys.argv[1:]))"


@pytest.mark.parametrize(
    ("home", "text", "hidden"),
    [
        ("/home/me", "/home/me/x", "~/x"),
        ("/home/me", "/home/me", "~"),
        ("/home/me", "read /home/me.", "read ~."),
        ("/home/me", "--data=/home/me/x", "--data=~/x"),
        ("/home/me", "PATH=/bin:/home/me/bin", "PATH=/bin:~/bin"),
        ("/home/me", "file:///home/me/x", "file://~/x"),
        ("/home/me", "s3://home/me/x", None),
        ("/home/me", "/disk/home/me/x", None),
        ("/home/me", "/home/me2/x", None),
        ("/home/me", "/home/me.old/x", None),
        ("/home/me", "/home/me+b/x", None),
        ("/home/jürgen k", "/home/jürgen k/x", "~/x"),
        ("/", "s3://bucket/x", None),
        ("/", "/data/x", None),
        ("C:\\", "C:\\x", None),
        ("C:\\Users\\NAME", "C:\\Users\\NAME\\x", "~\\x"),
        ("C:\\Users\\NAME", "c:/users/name/x", "~/x"),
        ("C:\\Users\\NAME", "C:\\\\Users\\\\NAME\\\\x", "~\\\\x"),
        ("C:\\Users\\NAME", "C:\\Users\\NAMES\\x", None),
        ("\\\\server\\homes\\NAME", "\\\\server\\homes\\NAME\\x", "~\\x"),
        ("\\\\server\\homes\\NAME", "https://server/homes/NAME/x", None),
    ],
)
def test_hide_home_replaces_whole_paths_only(
    home: str, text: str, hidden: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", home)
    expected = text if hidden is None else hidden
    assert hide_home(text) == expected
    assert hide_home({"a": [text, 3, None]}) == {"a": [expected, 3, None]}


def test_hide_home_replaces_links_to_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "home").symlink_to(tmp_path / "disk")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert hide_home(f"{tmp_path}/disk/x {tmp_path}/home/y") == "~/x ~/y"


@pytest.fixture
def homeless(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object) -> None:
        raise KeyError("uid not found")

    for name in ("HOME", "XDG_CACHE_HOME", "COLORZOO_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)


@pytest.mark.usefixtures("homeless")
def test_user_without_a_home_folder_has_a_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache_home().parent == Path(tempfile.gettempdir())
    assert hide_home("/a") == "/a"
    monkeypatch.setenv("COLORZOO_HOME", "~/x")
    for call in (cache_home, lambda: expand_user("~")):
        with pytest.raises(ColorzooError, match="must not begin with ~"):
            call()


def test_read_only_home_folder_is_not_used_as_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XDG_CACHE_HOME", "COLORZOO_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: mode == os.F_OK and access(path, mode))
    assert cache_home().parent == Path(tempfile.gettempdir())
    (tmp_path / ".cache" / "colorzoo").mkdir(parents=True)  # such as weights that an administrator installed
    assert cache_home() == tmp_path / ".cache" / "colorzoo"


@pytest.mark.parametrize("closed", [(2,), (1, 2), (0, 1, 2)])
def test_command_runs_with_closed_streams(closed: tuple[int, ...], tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (40, 50), np.uint8)
    for name in ("a", "b"):
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    words = [sys.executable, "-c", MAIN, "colorize", str(tmp_path), "-o", str(tmp_path / "out")]

    def close() -> None:
        for number in closed:
            os.close(number)

    assert subprocess.run(words, preexec_fn=close, check=False).returncode == 0
    assert {path.name for path in (tmp_path / "out").glob("*.png")} == {"a.png", "b.png"}
    assert Image.open(tmp_path / "out" / "b.png").size == (50, 40)


def test_list_from_a_closed_standard_input_is_one_line() -> None:
    words = [sys.executable, "-c", MAIN, "colorize", "--list", "-"]
    done = subprocess.run(
        words,
        preexec_fn=lambda: os.close(0),
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "unexpected" not in done.stderr


def test_main_replaces_missing_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    from colorzoo.apps.cli.main import main

    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
    assert [main([]), main(["--version"]), main(["info", "nowhere"])] == [2, 0, 2]


def test_progress_works_without_standard_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    with console.progress_bar("images", 3, log_every=0) as advance:
        advance(3)
    console.print_line("text", sys.stderr)
