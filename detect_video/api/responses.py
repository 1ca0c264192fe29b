"""Responses that stream files and generated text instead of holding them in memory."""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import BinaryIO

from django.http import HttpResponseBase, StreamingHttpResponse
from django.utils.http import content_disposition_header

from detect_video.errors import FileGone
from detect_video.video.containers import MIME_TYPES, container_format
from web.problems import problem_response

BLOCK_BYTES = 256 * 1024


def file_response(
    path: Path,
    *,
    byte_range: str = "",
    download_name: str = "",
    on_close: Callable[[], None] = lambda: None,
) -> HttpResponseBase:
    """Serve a video file, or the part selected by a ``Range`` header.

    With a ``download_name``, browsers save the file instead of showing it. ``on_close`` is called
    once the file has been sent and closed. Raises ``FileGone``.
    """
    try:
        file = path.open("rb")
    except FileNotFoundError as exc:
        raise FileGone from exc
    size_bytes = os.fstat(file.fileno()).st_size
    try:
        wanted = parse_range(byte_range, size_bytes)
    except ValueError:
        file.close()
        detail = f"The file has {size_bytes:,} bytes; the Range is outside of it."
        response = problem_response(416, "range_not_satisfiable", detail)
        response["Content-Range"] = f"bytes */{size_bytes}"
        return response
    start, end = wanted or (0, size_bytes)
    content_type = MIME_TYPES.get(container_format(file), "application/octet-stream")
    streamed = StreamingHttpResponse(
        Blocks(file, start, end, on_close),
        status=206 if wanted else 200,
        content_type=content_type,
    )
    streamed["Content-Length"] = end - start
    streamed["Accept-Ranges"] = "bytes"
    streamed["Cache-Control"] = "private, max-age=3600"
    if wanted:
        streamed["Content-Range"] = f"bytes {start}-{end - 1}/{size_bytes}"
    if download_name:
        streamed["Content-Disposition"] = str(content_disposition_header(True, download_name))
    return streamed


def text_response(
    lines: AsyncIterator[str], *, content_type: str, download_name: str
) -> StreamingHttpResponse:
    """Stream generated text as a download."""
    response = StreamingHttpResponse(lines, content_type=content_type)
    response["Content-Disposition"] = str(content_disposition_header(True, download_name))
    response["Cache-Control"] = "private, no-store"
    return response


def parse_range(header: str, size_bytes: int) -> tuple[int, int] | None:
    """Start and end (exclusive) in bytes of a ``Range`` header with a single range.

    None means the whole file: there is no header, or one that RFC 9110 lets servers ignore.
    Raises ``ValueError`` if the range is outside of the file.
    """
    match = re.fullmatch(r"bytes=(\d{0,18})-(\d{0,18})", header.strip())
    if not match or match.group() == "bytes=-":
        return None
    first, last = match.groups()
    if not first:
        start, end = max(0, size_bytes - int(last)), size_bytes
    else:
        start, end = int(first), min(int(last or size_bytes) + 1, size_bytes)
        if last and int(last) < start:
            return None
    if start >= end:
        raise ValueError(f"{header} lies outside of {size_bytes} bytes")
    return start, end


class Blocks:
    """Iterates over ``start`` to ``end`` of an open file in blocks; the response closes it."""

    def __init__(self, file: BinaryIO, start: int, end: int, on_close: Callable[[], None]) -> None:
        self._file, self._start, self._end, self._on_close = file, start, end, on_close

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self._file.seek(self._start)
        rest = self._end - self._start
        while block := await asyncio.to_thread(self._file.read, min(BLOCK_BYTES, rest)):
            rest -= len(block)
            yield block

    def close(self) -> None:
        self._file.close()
        self._on_close()
