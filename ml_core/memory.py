"""How the process deals with memory, so that pictures and the event loop need not wait for it."""

import ctypes
import gc
from contextlib import suppress

# Numbers of the settings in glibc's malloc.h; 32 MB is the most that it takes for the second.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
MMAP_BYTES = 2**25
TRIM_BYTES = 2**27
# Threads share what they keep: with an arena for each, 140 MB more.
ARENAS = 2


def keep_freed_memory() -> None:
    """Keep the memory of one picture for the next, up to 32 MB each, where glibc is used.

    By default it goes back to the system each time, which then has to hand it out page by page
    and zeroed: for a photo that takes longer than decoding it. See mallopt(3).
    """
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_THRESHOLD, MMAP_BYTES)
        libc.mallopt(M_TRIM_THRESHOLD, TRIM_BYTES)
        libc.mallopt(M_ARENA_MAX, ARENAS)


def spare_from_collection() -> None:
    """Let the garbage collection pass over all objects that there are now.

    Code, settings and models stay until the end. Looking through them stopped all threads, the
    event loop's among them, for 0.1 s at a time.
    """
    gc.collect()
    gc.freeze()
