"""Fetching pictures from the one Label Studio that the settings name."""

import time
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from django.conf import settings

from ml_core.errors import VisionError
from ml_core.pictures.images import check_size
from ml_core.pictures.limits import image_limits

CHUNK_BYTES = 2**16


class PictureNotFetched(VisionError):
    """A picture could not be fetched from Label Studio."""

    status = 502
    code = "picture_not_fetched"


def fetched(address: Any) -> bytes:
    """The file of a picture of the Label Studio in the settings.

    ``address`` is a path or an address there; redirects are not followed, so that the request and
    its token go nowhere else. Raises ``PictureNotFetched``, and ``ImageTooManyBytes`` as soon as
    more bytes than the limit have arrived.
    """
    try:
        url = urljoin(settings.LABEL_STUDIO_URL.rstrip("/") + "/", str(address))
        is_there = isinstance(address, str) and _origin(url) == _origin(settings.LABEL_STUDIO_URL)
    except ValueError:
        is_there = False
    if not is_there:
        raise PictureNotFetched(
            f"Pictures are fetched only from LABEL_STUDIO_URL, received {address!r:.100}."
        )
    with requests.Session() as session:
        # Neither a proxy nor other credentials of this machine.
        session.trust_env = False
        headers = {"Authorization": f"Token {settings.LABEL_STUDIO_TOKEN}"}
        try:
            with session.get(
                url, headers=headers, allow_redirects=False, stream=True, timeout=10
            ) as response:
                if response.status_code != 200:
                    raise PictureNotFetched(
                        f"Label Studio answered the request for {address:.100} with the status "
                        f"{response.status_code}. Is LABEL_STUDIO_TOKEN right?"
                    )
                return _received(response)
        except requests.RequestException as exc:
            raise PictureNotFetched("Label Studio cannot be reached at LABEL_STUDIO_URL.") from exc


def _received(response: requests.Response) -> bytes:
    deadline = time.monotonic() + settings.LIMITS["inference_seconds"]
    data = bytearray()
    for chunk in response.iter_content(CHUNK_BYTES):
        data += chunk
        check_size(len(data), image_limits())
        if time.monotonic() > deadline:
            raise PictureNotFetched("Label Studio sends the picture too slowly.")
    return bytes(data)


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)
