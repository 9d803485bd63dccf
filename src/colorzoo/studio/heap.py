"""Memory that a prediction frees stays with the process, for the next one.

By default glibc gives large blocks back to the system at once. Each prediction then asks for the same ones
again, page by page: a fifth of the time of an edit.
"""

from __future__ import annotations

import ctypes
import platform

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8  # of malloc.h
_LARGEST = 32 << 20  # bytes; larger blocks, as of whole photos, still go back at once
_SPARE = 128 << 20  # bytes that are kept at most


def keep_freed_memory() -> bool:
    """Let this process keep up to 128 MB of what it frees; call it before threads are started.

    Returns:
        Whether the C library here can do so.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    # one arena: others are given back as a whole, and the worker's would be one of them
    wishes = ((_MMAP_THRESHOLD, _LARGEST), (_TRIM_THRESHOLD, _SPARE), (_ARENA_MAX, 1))
    done = [mallopt(name, value) == 1 for name, value in wishes]
    return all(done)
