"""How the process deals with the memory of large pictures."""

import ctypes
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
