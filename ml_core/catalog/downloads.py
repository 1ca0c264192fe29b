"""Download and verify one file.

A download is written to ``NAME.part`` and renamed once verified, so a file under its own name is
complete. (pooch neither resumes downloads nor tries several mirrors.)
"""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

import requests
from filelock import Timeout
from tqdm import tqdm

from ml_core.catalog.specs import ModelFile
from ml_core.errors import DownloadFailed
from ml_core.locks import short_lock

CONNECT_SECONDS = 5
READ_SECONDS = 30
TRIES_PER_MIRROR = 3
BLOCK_BYTES = 1 << 18
HASH_NAMES = {"sha256": "SHA-256", "sha384": "SHA-384", "md5": "MD5"}

# Is told how many bytes of a file have arrived; what it raises ends the download.
Report = Callable[[int], object]


def download(
    file: ModelFile,
    target: Path,
    session: requests.Session | None = None,
    *,
    title: str = "",
    report: Report | None = None,
) -> None:
    """Download ``file`` to ``target``, with a progress bar on the terminal without ``report``.

    ``title`` says before the bar what is downloaded. ``session`` has the credentials and
    certificates for its addresses. Raises ``DownloadFailed`` with the response of each of them.
    """
    try:
        with short_lock(target.with_name(f".{target.name}.lock")):
            # The previous holder of the lock may have completed the file.
            if not target.is_file():
                _download_locked(
                    file,
                    target,
                    session or requests.Session(),
                    title or f"Downloading {file.name}",
                    report,
                )
    except Timeout as exc:
        raise DownloadFailed(f"Another process is fetching {file.name} already.") from exc


def _download_locked(
    file: ModelFile, target: Path, session: requests.Session, title: str, report: Report | None
) -> None:
    partial = partial_path(target)
    failures = []
    silent_hosts = set()
    for url in (url for url in file.urls for _ in range(TRIES_PER_MIRROR)):
        host = urlsplit(url).netloc
        if host in silent_hosts:
            continue
        try:
            # Closed before it is renamed or deleted, which Windows demands.
            with partial.open("ab") as output:
                _append(url, file, output, session, title, report)
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


def _append(
    url: str,
    file: ModelFile,
    output: BinaryIO,
    session: requests.Session,
    title: str,
    report: Report | None,
) -> None:
    """Download the rest of ``file`` into the open file ``output``, then verify all of it."""
    done = output.seek(0, os.SEEK_END)
    if file.size_bytes and done >= file.size_bytes:
        # Complete but not renamed yet. A range request beyond the end would fail.
        if not mismatch(Path(output.name), file):
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
            desc=title,
            total=file.size_bytes,
            initial=done,
            unit="B",
            unit_scale=True,
            disable=report is not None,
        ) as bar:
            for block in response.iter_content(BLOCK_BYTES):
                output.write(block)
                bar.update(len(block))
                if report:
                    report(output.tell())
                if file.size_bytes and output.tell() > file.size_bytes:
                    raise DownloadFailed(f"sent more than the expected {file.size_bytes:,} bytes.")
    output.flush()
    os.fsync(output.fileno())
    if file.size_bytes and output.tell() < file.size_bytes:
        raise requests.ConnectionError("the connection ended early")
    problem = mismatch(Path(output.name), file)
    if problem:
        raise DownloadFailed(f"{problem}.")


def mismatch(path: Path, file: ModelFile) -> str:
    """How ``path`` differs from the pinned size and hash of ``file``; empty if it does not."""
    size = path.stat().st_size
    if file.size_bytes is not None and size != file.size_bytes:
        return f"has {size:,} bytes; expected {file.size_bytes:,}"
    pinned = f"sha256:{file.sha256}" if file.sha256 else file.published_hash
    if pinned:
        algorithm, _, expected = pinned.partition(":")
        digest = _hash_of(path, algorithm)
        if digest != expected:
            return f"has {HASH_NAMES[algorithm]} {digest}; expected {expected}"
    return ""


def sha256_of(path: Path) -> str:
    """The file's SHA-256 in hexadecimal."""
    return _hash_of(path, "sha256")


def _hash_of(path: Path, algorithm: str) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, algorithm).hexdigest()


def partial_path(target: Path) -> Path:
    """Where ``target`` is written until it is complete."""
    return target.with_name(target.name + ".part")
