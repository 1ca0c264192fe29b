"""Installs the packages of a requirements file. Written for Python 3.6 and later."""

import ast
import os
import subprocess
import sys
from pathlib import Path

UV = "uv==0.13.9"
# The options of pip's configuration, which uv does not read, and what uv calls them.
UV_OPTIONS = {
    "index-url": "--default-index",
    "extra-index-url": "--index",
    "find-links": "--find-links",
    "constraint": "--constraint",
    "trusted-host": "--allow-insecure-host",
    "cert": "--cert",
}
FAILED = """
The packages could not be installed. Check the network. A proxy is set by HTTPS_PROXY, a mirror by
PIP_INDEX_URL, such as https://pypi.tuna.tsinghua.edu.cn/simple
Run the same again to continue; what is installed stays."""


def install_packages(python: str, requirements: Path) -> None:
    """Install a requirements file for an interpreter. Exits with a message if that fails.

    uv takes less than half of pip's time. pip is used where uv cannot be installed, or fails: it
    knows more ways of reaching an index.
    """
    print(f"Installing {requirements.name} (takes a minute the first time) ...", flush=True)
    # PIP_USER is a setting for all users' Pythons, which fails in a virtual environment.
    environment = {**os.environ, "PIP_USER": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    pip = [python, "-m", "pip", "install", "--no-input"]
    if subprocess.call([*pip, "--quiet", UV], env=environment) == 0:
        uv = [python, "-m", "uv", "pip", "install", "--python", python, *uv_options(python)]
        # Compiled as by pip: who runs the site may not be allowed to write into the environment.
        # A large package on a slow line may pause for longer than the 30 seconds of uv.
        environment = {"UV_COMPILE_BYTECODE": "1", "UV_HTTP_TIMEOUT": "120", **environment}
        if subprocess.call([*uv, "--requirement", str(requirements)], env=environment) == 0:
            return
    print("Installing them with pip, which takes minutes ...", flush=True)
    if subprocess.call([*pip, "--requirement", str(requirements)], env=environment) != 0:
        sys.exit(FAILED)


def uv_options(python: str) -> "list[str]":
    """The options with which uv uses the indexes and certificates that pip is configured for."""
    listed = subprocess.run(
        [python, "-m", "pip", "config", "list"], stdout=subprocess.PIPE, encoding="utf-8"
    ).stdout
    configured = {}
    for section in ("global", "install", ":env:"):
        for line in listed.splitlines():
            name, _, value = line.partition("=")
            if name.startswith(section + "."):
                configured[name[len(section) + 1 :]] = str(ast.literal_eval(value))
    options = ["--system-certs", "--index-strategy", "unsafe-best-match"]
    for name, option in UV_OPTIONS.items():
        for value in configured.get(name, "").split():
            options += [option, value]
    return options
