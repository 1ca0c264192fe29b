"""Tuning of the memory allocator and the garbage collector, for lower latency."""

import ctypes
import gc
from contextlib import suppress

# The constants of glibc's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
# The largest value that glibc accepts.
MMAP_BYTES = 2**25
TRIM_BYTES = 2**27
# With an arena per thread, the freed memory that each keeps adds up to 140 MB more.
ARENAS = 2


def keep_freed_memory() -> None:
    """Make glibc reuse freed blocks of up to 32 MB instead of returning them to the system.

    Otherwise the system provides zeroed pages for every picture again, which takes longer than
    decoding a photo. Does nothing without glibc. See mallopt(3).
    """
    # TypeError: on Windows, None is not the name of a library.
    with suppress(OSError, AttributeError, TypeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_THRESHOLD, MMAP_BYTES)
        libc.mallopt(M_TRIM_THRESHOLD, TRIM_BYTES)
        libc.mallopt(M_ARENA_MAX, ARENAS)


def freeze_gc() -> None:
    """Exclude all existing objects from garbage collection.

    Code, settings and models live as long as the process. Traversing them stopped all threads,
    including the event loop, for 0.1 s at a time.
    """
    gc.collect()
    gc.freeze()
