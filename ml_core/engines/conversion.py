"""The cache of models converted to OpenVINO's format.

Each model has a folder, named after the hash of everything that it was converted from. A checksum
file in it lists the files that are complete; a damaged model is converted again.
"""

import hashlib
import json
import logging
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import openvino as ov
from filelock import FileLock

from ml_core.catalog.downloads import sha256_of
from ml_core.catalog.formats import ModelFileError
from ml_core.catalog.specs import ModelSpec
from ml_core.engines import NETWORK_UNUSABLE
from ml_core.engines.convert import FINISHED, REQUEST
from ml_core.limited_child import LimitedChild
from ml_core.locks import short_lock
from ml_core.networks.loading import KERAS_FORMATS

logger = logging.getLogger(__name__)

PROJECT_ROOT = Path(__file__).resolve().parents[2]
CHECKSUMS = "sha256.json"
LOCK = ".lock"
UNFINISHED = ".unfinished-"
# What subprocess reports for SIGKILL, which Linux sends when memory runs out.
KILLED = -9
# What Python and C++ programs write when the limit of their memory is reached.
OUT_OF_MEMORY = ("MemoryError", "bad_alloc", "Cannot allocate memory")
MAX_ERROR_BYTES = 10**6


def ensure_converted(spec: ModelSpec, cache_dir: Path) -> Path:
    """The path of the converted model in ``cache_dir``; converts it if it is missing or damaged.

    Only one process converts at a time: each conversion takes 1.3 GB of memory.
    Raises ``ModelFileError`` if the model's files are damaged or do not match each other.
    """
    cache_dir.mkdir(parents=True, exist_ok=True)
    target = cache_dir / f"{spec.name}-{_digest(spec)}"
    lock = FileLock(cache_dir / LOCK)
    # OSError: another process is converting (``filelock.Timeout``), or the folder is read-only.
    with suppress(OSError), lock.acquire(blocking=False):
        _remove_unfinished(cache_dir)
    with sole_use(target):
        is_intact = _is_intact(target)
    if not is_intact:
        # In this order in every process.
        with lock, sole_use(target):
            # Another process may have converted it in the meantime.
            if not _is_intact(target):
                _remove_unfinished(cache_dir)
                discard(target)
                _convert(spec, target)
    return target / "model.xml"


@contextmanager
def sole_use(folder: Path) -> Iterator[None]:
    """Keep other processes and threads from checking or changing a converted model meanwhile.

    Whoever checks deletes files that have no checksum yet, which others may be writing.
    """
    with ExitStack() as locks:
        # Nobody changes anything in a folder that is read-only.
        with suppress(OSError):
            path = folder.with_name(f".{folder.name}.lock")
            locks.enter_context(short_lock(path, timeout_s=-1))
        yield


def write_checksums(folder: Path) -> None:
    """Record the hashes of all files in ``folder``; files added or changed later are not used."""
    checksums = {path.name: sha256_of(path) for path in _files(folder)}
    part = folder / f"{CHECKSUMS}.part"
    part.write_text(json.dumps(checksums, indent=2), encoding="utf-8")
    part.replace(folder / CHECKSUMS)


def discard(folder: Path) -> None:
    """Delete a damaged model, so that it is converted again."""
    if folder.exists():
        logger.warning("%s is damaged. The model is converted again.", folder)
        shutil.rmtree(folder)


def _digest(spec: ModelSpec) -> str:
    width, height = spec.input_wh
    tensors = spec.output.tensors if spec.output else ()
    described = f"{ov.__version__} {width}x{height} {spec.input} {tensors}"
    digest = hashlib.sha256(described.encode())
    # A change in the code that builds the networks may change the result.
    networks = sorted((PROJECT_ROOT / "ml_core" / "networks").glob("*.py"))
    engines = PROJECT_ROOT / "ml_core" / "engines"
    code = (*networks, engines / "convert.py", engines / "openvino_graph.py")
    for path in (*code, *spec.paths):
        digest.update(bytes.fromhex(sha256_of(path)))
    return digest.hexdigest()[:16]


def _is_intact(folder: Path) -> bool:
    """Whether all files match their checksums. Deletes files that have none."""
    try:
        checksums = json.loads((folder / CHECKSUMS).read_text(encoding="utf-8"))
        for path in _files(folder):
            if path.name not in checksums:
                path.unlink()
        return all(sha256_of(folder / name) == sha256 for name, sha256 in checksums.items())
    except (OSError, ValueError, TypeError, AttributeError):
        # All but OSError: the checksum file itself is damaged.
        return False


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.name != CHECKSUMS]


def _remove_unfinished(cache_dir: Path) -> None:
    """Delete the folders of killed conversions. The caller must hold the lock."""
    for folder in cache_dir.glob(f"{UNFINISHED}*"):
        shutil.rmtree(folder, ignore_errors=True)


def _convert(spec: ModelSpec, target: Path) -> None:
    """Write the converted model to ``target``, all of it or nothing."""
    logger.info("Converting %s; this takes about ten seconds, once.", spec.name)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=UNFINISHED) as folder:
        _run_steps(spec, Path(folder))
        result = Path(folder) / "model"
        write_checksums(result)
        result.rename(target)


def _run_steps(spec: ModelSpec, folder: Path) -> None:
    """Convert in child processes: TensorFlow's memory is freed, the server never imports it."""
    for step in steps(spec):
        with StepProcess() as process:
            process.run(step, spec, folder)


def steps(spec: ModelSpec) -> list[str]:
    """The steps of ``convert`` for this model: what Keras does not build is read at once."""
    return ["export", "read"] if spec.format in KERAS_FORMATS else ["read"]


class StepProcess(LimitedChild):
    """A child process that runs steps of ``convert`` one after another.

    It has the limits of conversions, and ends with its context or with a step that fails. What it
    wrote must be read with care, as a file may have taken it over.
    """

    def __init__(self) -> None:
        # Imported here, as machines that run published models need not have Django.
        from django.conf import settings

        memory_bytes = settings.LIMITS["conversion_bytes"]
        self._seconds = settings.LIMITS["conversion_seconds"]
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115
        super().__init__(
            [sys.executable, "-X", "utf8", "-m", "ml_core.engines.convert", str(memory_bytes)],
            memory_bytes=memory_bytes,
            cwd=PROJECT_ROOT,
            # The child exits when this pipe closes, so it does not outlive this process.
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=self._errors,
            bufsize=0,
        )

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        self._errors.close()

    def run(
        self,
        step: str,
        request: object,
        folder: Path,
        watch: Callable[[], object] = lambda: None,
    ) -> None:
        """Run a step, which writes its results to ``folder``.

        ``watch`` is called while it runs; what it raises ends the process. Raises
        ``ModelFileError`` with what is wrong with the model's files.
        """
        finished = folder / FINISHED
        finished.unlink(missing_ok=True)
        # Not through the pipe: it might be full, if the child was taken over and does not read it.
        folder.joinpath(REQUEST).write_bytes(pickle.dumps((step, request)))
        assert self.stdin
        # OSError: the child has ended.
        with suppress(OSError):
            self.stdin.write(f"{folder}\n".encode())
        is_done = self.wait_until(finished.exists, seconds=self._seconds, watch=watch)
        if self.exceeded:
            raise ModelFileError(f"its conversion was stopped, as {self.exceeded}.")
        if not is_done:
            raise ModelFileError(_failure_text(self.returncode, self._last_errors()))

    def _last_errors(self) -> str:
        size = self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(0, size - MAX_ERROR_BYTES))
        return self._errors.read(MAX_ERROR_BYTES).decode("utf-8", "replace").strip()


def _failure_text(code: int, stderr: str) -> str:
    if code == NETWORK_UNUSABLE:
        # The message of the exception, without the warnings before it.
        return stderr.rsplit("\n", 1)[-1]
    logger.error("the conversion ended with code %d:\n%s", code, stderr)
    if code == KILLED or any(sign in stderr for sign in OUT_OF_MEMORY):
        return "its conversion was stopped, as memory ran out."
    return "its conversion failed; see the server log."
