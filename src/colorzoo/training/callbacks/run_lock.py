"""Lock of a run's folder, so that two processes do not train into it."""

from __future__ import annotations

import ctypes
import json
import os
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from colorzoo.atomic import whole_file
from colorzoo.errors import ColorzooError
from colorzoo.training.loggers import run_folder
from colorzoo.training.runs import LOCK

_BEAT = 15.0  # seconds between two signs of life
_ASK = 0x1000  # PROCESS_QUERY_LIMITED_INFORMATION of Windows
_PATIENCE = 90.0  # seconds without one, after which a process of another machine counts as dead


class RunLock(Callback):
    """Lock the run's folder while the run trains, by a file that names machine and process.

    A lock counts as left behind if its process is gone, if its SLURM job is this one (which was queued
    again), or if it is of another machine and shows no sign of life for a minute and a half.
    """

    def __init__(self) -> None:
        self._lock: _Held | None = None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Lock the folder.

        Raises:
            ColorzooError: In all processes, if another run trains into it.
        """
        path = run_folder(trainer) / LOCK
        problem = ""
        if trainer.is_global_zero and self._lock is None:
            try:
                self._lock = _Held(path)
            except (ColorzooError, OSError) as error:  # else the other processes would wait
                problem = str(error)
        if problem := trainer.strategy.broadcast(problem):
            raise ColorzooError(problem)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Unlock the folder."""
        self._release()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Unlock the folder."""
        self._release()

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None


class _Held:
    """A lock that this process holds.

    Args:
        path: The file.

    Raises:
        ColorzooError: Another process holds it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._own = json.dumps(_this_process())
        while True:
            try:
                with whole_file(path, overwrite=False) as file:  # never empty, on a full disk neither
                    file.write(self._own.encode())
                break
            except FileExistsError:
                if reason := holder(path):
                    raise ColorzooError(
                        f"{path.parent} is being trained by {reason}; wait for its end or end it. If it is "
                        f"gone, remove {path}."
                    ) from None
                _take_away(path)
        self._ended = threading.Event()
        threading.Thread(target=self._beat, daemon=True).start()

    def release(self) -> None:
        """Remove the file."""
        self._ended.set()
        try:
            if self._path.read_text(encoding="utf-8") == self._own:
                self._path.unlink()
        except OSError:  # removed by hand, or a full or lost disk: it is recognized as left behind
            return

    def _beat(self) -> None:
        while not self._ended.wait(_BEAT):
            try:
                os.utime(self._path)
            except OSError:
                continue


def holder(path: Path) -> str:
    """Return the living process that holds a lock, in words; empty if there is none."""
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        silent = _now(path.parent) - path.stat().st_mtime
    except FileNotFoundError:
        return ""
    except ValueError:  # locks appear whole: a disk has lost it
        return ""
    own = _this_process()
    name = f"process {found.get('process', '?')} on {found.get('host', '?')}"
    if found.get("host") == own["host"]:
        same = found.get("process") == own["process"]
        alive = not same and _started(found["process"]) == found.get("started") is not None
        return name if alive else ""
    if own["job"] and found.get("job") == own["job"]:
        return ""
    return f"{name}, {silent:.0f} s ago" if silent < _PATIENCE else ""


def _take_away(path: Path) -> None:
    """Remove a lock that was left behind; of several processes that try, one does."""
    aside = path.with_name(f".{path.name}.{socket.gethostname()}.{os.getpid()}")
    try:
        path.rename(aside)
    except FileNotFoundError:
        return
    aside.unlink()


def _this_process() -> dict[str, Any]:
    number = os.getpid()
    return {
        "host": socket.gethostname(),
        "process": number,
        "started": _started(number),
        "job": os.environ.get("SLURM_JOB_ID"),
    }


def _started(process: int) -> str | None:
    """Return the start time of a process by its machine's clock; None if there is no such process."""
    try:
        text = Path(f"/proc/{process}/stat").read_text(encoding="utf-8")
    except FileNotFoundError:
        return None if Path("/proc/self/stat").exists() else _asked(process)
    state, *fields = text.rpartition(")")[2].split()
    return None if state == "Z" else fields[18]


def _asked(process: int) -> str | None:
    """Return ``"alive"`` if there is a process, on machines without ``/proc``."""
    if sys.platform == "win32":  # where os.kill would end it
        handle = ctypes.windll.kernel32.OpenProcess(_ASK, False, process)
        ctypes.windll.kernel32.CloseHandle(handle)
        return "alive" if handle else None
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return None
    except OSError:
        pass  # it is another user's
    return "alive"


def _now(folder: Path) -> float:
    """Return the time of the folder's file system, whose clock may differ from this machine's."""
    probe = folder / f".{LOCK}.{socket.gethostname()}.{os.getpid()}.now"
    try:
        probe.touch()
        return probe.stat().st_mtime
    except OSError:
        return time.time()
    finally:
        probe.unlink(missing_ok=True)
