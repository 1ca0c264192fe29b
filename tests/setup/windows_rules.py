"""Makes a Python on Linux lack what Windows lacks, in a process and its children.

``tests/setup/test_portability.py`` installs this file as ``sitecustomize.py``, which Python imports
first. The standard library and the packages below keep what they need: on Windows they have other
code in its place. Everything else runs as on Windows: there are no POSIX modules, and files that
are open can be neither deleted nor renamed.
"""

# ruff: noqa: F401
import asyncio.unix_events
import concurrent.futures.thread
import logging
import multiprocessing.util
import os
import random
import select
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import threading

import filelock
import psutil
import twisted.internet.fdesc

MISSING_MODULES = ("fcntl", "grp", "pwd", "resource", "termios", "uvloop")
MISSING_FUNCTIONS = {
    os: ("fchmod", "fchown", "fork", "forkpty", "geteuid", "getuid", "killpg", "register_at_fork"),
    select: ("poll", "epoll"),
    signal: ("SIGALRM", "SIGHUP", "SIGKILL", "SIGUSR1", "SIGXCPU"),
}


def remove() -> None:
    """Remove what Windows lacks."""
    for name in MISSING_MODULES:
        # Importing it raises ``ModuleNotFoundError``.
        sys.modules[name] = None  # type: ignore[assignment]
    for module, names in MISSING_FUNCTIONS.items():
        for name in names:
            delattr(module, name)
    kill_number = 9
    subprocess.Popen.kill = lambda self: self.send_signal(kill_number)  # type: ignore[method-assign]

    def no_handlers(*_: object) -> None:
        raise NotImplementedError

    asyncio.unix_events.SelectorEventLoop.add_signal_handler = no_handlers
    # As on Windows: the other one deletes the open file.
    tempfile.TemporaryFile = tempfile.NamedTemporaryFile  # type: ignore[assignment]
    # Otherwise rmtree() opens folders.
    shutil._use_fd_functions = False  # type: ignore[attr-defined]


def is_open(path: object) -> bool:
    """Whether this process has the file open."""
    target = os.path.realpath(os.fspath(path))  # type: ignore[call-overload]
    for name in os.listdir("/proc/self/fd"):
        try:
            if os.readlink(f"/proc/self/fd/{name}") == target:
                return True
        except OSError:
            continue
    return False


def refuse_open_files() -> None:
    """Let files that are open be neither deleted nor renamed, and folders not be opened."""

    def closed_only(function):
        def checked(*paths, **options):
            for path in paths:
                # filelock deletes its probes while they are open, on POSIX only.
                if is_open(path) and "filelock-probe" not in str(path):
                    raise PermissionError(13, "It is open (the rule of Windows)", path)
            return function(*paths, **options)

        return checked

    for name in ("remove", "rename", "replace", "unlink"):
        setattr(os, name, closed_only(getattr(os, name)))
    open_handle = os.open

    def open_file(path, *arguments, **options):
        if os.path.isdir(path):
            raise PermissionError(13, "It is a folder (the rule of Windows)", path)
        return open_handle(path, *arguments, **options)

    os.open = open_file


remove()
refuse_open_files()
