"""Fetching pictures from the one Label Studio that the settings name."""

import re
import time
from typing import Any
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

import requests
from django.conf import settings
from requests import PreparedRequest
from urllib3.exceptions import HTTPError

from ml_core.errors import VisionError
from ml_core.pictures.images import check_size
from ml_core.pictures.limits import image_limits
from web.rest.picture_uploads import give_back_connection

CHUNK_BYTES = 2**16
# Of each wait for Label Studio.
TIMEOUT_S = 10
# Where Label Studio has the files of tasks. The token opens everything else of it, too.
PICTURE_PATHS = re.compile(r"/(data|storage-data|(tasks|projects)/[0-9]+/resolve)/.*", re.DOTALL)


class PictureNotFetched(VisionError):
    """A picture could not be fetched from Label Studio."""

    status = 502
    code = "picture_not_fetched"


class LabelStudioPictures:
    """The pictures of one request, which together may take ``LIMITS["inference_seconds"]``."""

    def __init__(self) -> None:
        self._seconds_left: float = settings.LIMITS["inference_seconds"]

    def fetched(self, address: Any) -> bytes:
        """The file of a picture of the Label Studio in the settings.

        ``address`` is a path or an address there; redirects are not followed, so that the request
        and its token go nowhere else. Raises ``PictureNotFetched``, and ``ImageTooManyBytes`` as
        soon as more bytes than the limit have arrived.
        """
        give_back_connection()
        started = time.monotonic()
        deadline = started + self._seconds_left
        try:
            with requests.Session() as session:
                # Neither a proxy nor other credentials of this machine.
                session.trust_env = False
                return _received(session, _prepared(session, address), deadline)
        except (requests.RequestException, HTTPError) as exc:
            raise PictureNotFetched("Label Studio cannot be reached at LABEL_STUDIO_URL.") from exc
        finally:
            self._seconds_left -= time.monotonic() - started


def _prepared(session: requests.Session, address: Any) -> PreparedRequest:
    """The request for a picture.

    What is checked is the address as it will be used: other parsers may find another host in it.
    """
    headers = {
        "Authorization": f"Token {settings.LABEL_STUDIO_TOKEN}",
        # A small compressed file could become a large one.
        "Accept-Encoding": "identity",
    }
    try:
        url = urljoin(settings.LABEL_STUDIO_URL.rstrip("/") + "/", address)
        prepared = session.prepare_request(requests.Request("GET", url, headers=headers))
        is_there = _is_picture_there(str(prepared.url))
    # Of what is no text, and of what is no address.
    except (TypeError, ValueError, requests.RequestException):
        is_there = False
    if not is_there:
        raise PictureNotFetched(
            "Expected the path of a picture of LABEL_STUDIO_URL, such as /data/upload/1/a.jpg, "
            f"received {address!r:.100}."
        )
    return prepared


def _is_picture_there(url: str) -> bool:
    site, parts = urlsplit(settings.LABEL_STUDIO_URL), urlsplit(url)
    path = unquote(parts.path)
    return (
        "@" not in parts.netloc
        and _origin(parts) == _origin(site)
        and ".." not in re.split(r"[/\\]", path)
        and bool(PICTURE_PATHS.fullmatch(path.removeprefix(site.path.rstrip("/"))))
    )


def _origin(parts: SplitResult) -> tuple[str, str | None, int | None]:
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def _received(session: requests.Session, prepared: PreparedRequest, deadline: float) -> bytes:
    data = bytearray()
    chunk: bytes | None = None
    timeout = max(0.001, min(TIMEOUT_S, deadline - time.monotonic()))
    with session.send(prepared, allow_redirects=False, stream=True, timeout=timeout) as response:
        if response.status_code != 200:
            raise PictureNotFetched(
                f"Label Studio answered the request for {prepared.path_url!r:.100} with the status "
                f"{response.status_code}. Is LABEL_STUDIO_TOKEN right?"
            )
        while chunk != b"":
            if time.monotonic() > deadline:
                raise PictureNotFetched("Label Studio sends the pictures too slowly.")
            # What has arrived: a full chunk of a slow sender might come after the deadline.
            chunk = response.raw.read1(CHUNK_BYTES, decode_content=False)
            data += chunk
            check_size(len(data), image_limits())
    return bytes(data)
