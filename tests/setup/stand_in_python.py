"""Pretends to be another Python; tests/setup/test_setup.py replaces the line of constants."""

import os
import runpy
import shutil
import sys
from pathlib import Path

VERSION, MISSING, LOG = (3, 12, 0), (), Path("log")
sys.executable = os.path.abspath(__file__)
first, *rest = sys.argv[1:]

if first == "-c" and "cv2" in rest[0]:
    error = LOG.with_name("cv2")
    sys.exit(error.read_text() if error.exists() else 0)
elif first == "-c":
    sys.version_info = VERSION
    for name in MISSING:
        sys.modules[name] = None
    exec(rest[0])
elif (first, rest[0]) == ("-m", "venv"):
    folder = Path(rest[-1])
    shutil.rmtree(folder, ignore_errors=True)
    folder.joinpath("bin").mkdir(parents=True)
    shutil.copy(__file__, folder / "bin" / "python")
elif first == "-m" and rest[:3] == ["pip", "config", "list"]:
    print(os.environ.get("PIP_CONFIG_LIST", ""))
elif first == "-m":
    with LOG.open("a") as log:
        log.write(" ".join(rest) + "\n")
    # The error with which it fails, if there is one.
    error = LOG.with_name(rest[0])
    sys.exit(error.read_text() if error.exists() else 0)
else:
    sys.argv = [first, *rest]
    sys.path.insert(0, os.path.dirname(first))
    runpy.run_path(first, run_name="__main__")
