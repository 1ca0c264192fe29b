"""Description of the machine that the measurements were made on."""

import os
import platform
from datetime import date
from importlib.metadata import version
from pathlib import Path

import psutil

# The share of all cores that other programs use when a benchmark starts.
BUSY_PERCENT = psutil.cpu_percent(interval=1)
IDLE_PERCENT = 5


def describe(*packages: str) -> str:
    """One line with processor, cores, versions of Python and ``packages``, and date.

    It says so if the machine was not idle when the benchmark started.
    """
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    flags = next(line for line in lines if line.startswith("flags")).split()
    fast = [flag for flag in ("avx512_bf16", "avx512_vnni", "amx_tile") if flag in flags]
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    warning = f"\n**Other programs used {BUSY_PERCENT:.0f}% of the cores.**"
    return (
        f"{names[0]} ({' '.join(fast)}), {os.cpu_count()} cores, Python "
        f"{platform.python_version()}, {versions}; {date.today()}"
        f"{warning if BUSY_PERCENT > IDLE_PERCENT else ''}"
    )
