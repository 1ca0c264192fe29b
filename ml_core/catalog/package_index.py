"""Files of the Python package index that pip is configured for (PEP 503 and PEP 691).

Only the address of a file is looked up here; packages are neither installed nor run.
"""

import ast
import os
import subprocess
import sys
from html.parser import HTMLParser
from urllib.parse import unquote, urldefrag, urljoin, urlsplit, urlunsplit

import requests
from requests.auth import AuthBase, HTTPBasicAuth

from ml_core.errors import DownloadFailed

PYPI = "https://pypi.org/simple"
JSON = "application/vnd.pypi.simple.v1+json"
TIMEOUT_S = (5, 15)
PIP_SECONDS = 30


class PackageIndex:
    """The index of ``pip install``, with pip's certificate, proxy and credentials.

    ``url`` never contains the credentials. ``session`` sends them to the index's host only.
    """

    def __init__(self) -> None:
        options = pip_options()
        configured = options.get("index-url") or PYPI
        self.url = without_credentials(configured).rstrip("/")
        self.session = requests.Session()
        # Otherwise the credentials of .netrc are used, as pip does.
        if "@" in urlsplit(configured).netloc:
            self.session.auth = _IndexAuth(configured)
        if certificate := options.get("cert"):
            self.session.verify = certificate
        if proxy := options.get("proxy"):
            self.session.proxies = {"http": proxy, "https": proxy}

    def file_url(self, project: str, filename: str) -> str:
        """The address of the project's file. Raises ``DownloadFailed``."""
        page = f"{self.url}/{project}/"
        accept = {"Accept": f"{JSON}, text/html;q=0.1"}
        try:
            # Without ``verify``, requests prefers REQUESTS_CA_BUNDLE to pip's certificate.
            response = self.session.get(
                page, headers=accept, timeout=TIMEOUT_S, verify=self.session.verify
            )
        # requests raises an OSError of its own if pip's certificate file is missing.
        except OSError as exc:
            raise DownloadFailed(f"The package index {self.url} cannot be reached.") from exc
        if not response.ok:
            raise DownloadFailed(f"{page} answered {response.status_code} {response.reason}.")
        for url in _links(response):
            absolute = urldefrag(urljoin(response.url, url)).url
            if unquote(urlsplit(absolute).path).rpartition("/")[2] == filename:
                return without_credentials(absolute)
        raise DownloadFailed(f"{page} does not list {filename}.")


def pip_options() -> dict[str, str]:
    """The options of ``pip install`` from its configuration files and environment variables."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    environment = {**os.environ, "PYTHONUTF8": "1"}
    try:
        listed = subprocess.run(
            command, env=environment, capture_output=True, timeout=PIP_SECONDS, check=True
        ).stdout.decode(errors="replace")
    # Without pip, as in environments made by uv, only the environment variable is known.
    except (OSError, subprocess.SubprocessError):
        return {"index-url": os.environ.get("PIP_INDEX_URL", "")}
    options = {}
    for section in ("global", "install", ":env:"):
        for line in listed.splitlines():
            name, _, value = line.partition("=")
            if name.startswith(f"{section}."):
                options[name.removeprefix(f"{section}.")] = str(ast.literal_eval(value))
    return options


def without_credentials(url: str) -> str:
    """``url`` without its user name and password."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


class _IndexAuth(AuthBase):
    """Sends the credentials of the index's address to its host, and to no other."""

    def __init__(self, index_url: str) -> None:
        parts = urlsplit(index_url)
        self._host = parts.netloc.rpartition("@")[2]
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        self._basic = HTTPBasicAuth(user, password)

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        same_host = urlsplit(str(request.url)).netloc == self._host
        return self._basic(request) if same_host else request


def _links(response: requests.Response) -> list[str]:
    """The addresses of a project's files; none if the answer is something else."""
    if "json" not in response.headers.get("Content-Type", ""):
        parser = _LinkParser()
        parser.feed(response.text)
        return parser.links
    try:
        return [str(file["url"]) for file in response.json()["files"]]
    except (ValueError, KeyError, TypeError):
        return []


class _LinkParser(HTMLParser):
    """Collects the links of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value for name, value in attrs if tag == "a" and name == "href" and value]
