"""Converted models on disk: made in child processes, checked by hash, made again when damaged.

Each has a folder of its own, named after the contents of all that it was made from. A file with
the hashes of the others says what was written to its end.
"""

import fcntl
import hashlib
import json
import logging
import pickle
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import openvino as ov

from ml_core.catalog.specs import ModelSpec
from ml_core.engines import NETWORK_UNUSABLE
from ml_core.networks.darknet_cfg import DarknetError

logger = logging.getLogger(__name__)

PROJECT_ROOT = Path(__file__).resolve().parents[2]
STEPS = ("export", "read")
HASHES = "sha256.json"
LOCK = ".lock"
UNFINISHED = ".unfinished-"


def converted(spec: ModelSpec, cache_dir: Path) -> Path:
    """The converted model's file in ``cache_dir``, made when it is not there or damaged.

    One conversion at a time, whatever the number of processes: each takes 1.3 GB of memory.
    Raises ``DarknetError`` when the model's files do not fit together.
    """
    cache_dir.mkdir(parents=True, exist_ok=True)
    target = cache_dir / f"{spec.name}-{_digest(spec)}"
    # Unless a conversion is under way, or the folder is for reading only.
    with suppress(OSError), _locked(cache_dir, fcntl.LOCK_NB):
        _clear_leftovers(cache_dir)
    if not _is_whole(target):
        with _locked(cache_dir):
            # Another process may have made it meanwhile.
            if not _is_whole(target):
                _clear_leftovers(cache_dir)
                discard(target)
                _convert(spec, target)
    return target / "model.xml"


def seal(folder: Path) -> None:
    """Note the hashes of all files in ``folder``; what is added or changed later is not used."""
    hashes = {path.name: _sha256(path) for path in _files(folder)}
    part = folder / f"{HASHES}.part"
    part.write_text(json.dumps(hashes, indent=2))
    part.replace(folder / HASHES)


def discard(folder: Path) -> None:
    """Delete a converted model, so that it is made again."""
    if folder.exists():
        logger.warning("%s is damaged. The model is converted again.", folder)
        shutil.rmtree(folder)


def _digest(spec: ModelSpec) -> str:
    width, height = spec.input_wh
    digest = hashlib.sha256(f"{ov.__version__} {width}x{height}".encode())
    # A network that is built in another way is another network.
    networks = sorted((PROJECT_ROOT / "ml_core" / "networks").glob("*.py"))
    conversion = PROJECT_ROOT / "ml_core" / "engines" / "convert.py"
    for path in (*networks, conversion, spec.config_path, spec.weights_path):
        digest.update(bytes.fromhex(_sha256(path)))
    return digest.hexdigest()[:16]


def _is_whole(folder: Path) -> bool:
    """Whether all files are as they were sealed; one that was added since then is deleted."""
    try:
        hashes = json.loads((folder / HASHES).read_text())
        for path in _files(folder):
            if path.name not in hashes:
                path.unlink()
        return all(_sha256(folder / name) == sha256 for name, sha256 in hashes.items())
    except (OSError, ValueError, TypeError, AttributeError):
        # The last three: the file with the hashes is damaged itself.
        return False


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.name != HASHES]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _locked(cache_dir: Path, mode: int = 0) -> Iterator[None]:
    with (cache_dir / LOCK).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX | mode)
        yield


def _clear_leftovers(cache_dir: Path) -> None:
    """Delete what nobody is about to finish: who calls this has the lock."""
    for folder in cache_dir.glob(f"{UNFINISHED}*"):
        shutil.rmtree(folder, ignore_errors=True)


def _convert(spec: ModelSpec, target: Path) -> None:
    """Convert in children, which give TensorFlow's memory back; the server never imports it."""
    logger.info("Converting %s; this takes about ten seconds, once.", spec.name)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=UNFINISHED) as folder:
        for step in STEPS:
            _run(step, spec, Path(folder))
        made = Path(folder) / "model"
        seal(made)
        made.rename(target)


def _run(step: str, spec: ModelSpec, folder: Path) -> None:
    errors = folder / "errors.txt"
    with (
        errors.open("wb") as stderr,
        subprocess.Popen(
            [sys.executable, "-m", "ml_core.engines.convert", step, folder],
            cwd=PROJECT_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            bufsize=0,
        ) as child,
    ):
        assert child.stdin
        # Left open meanwhile: the child ends when it closes, as it does when this process dies.
        with suppress(BrokenPipeError):
            child.stdin.write(pickle.dumps(spec))
        code = child.wait()
    if code:
        raise DarknetError(_failure(code, errors.read_text(errors="replace").strip()))


def _failure(code: int, text: str) -> str:
    """Why a conversion failed: what the network's reader said, or where to look."""
    if code == NETWORK_UNUSABLE:
        return text.rsplit("\n", 1)[-1]
    logger.error("the conversion ended with code %d:\n%s", code, text)
    if code == -signal.SIGKILL:
        return "its conversion was killed, probably because memory ran out."
    return "its conversion failed; the server's log says why."
