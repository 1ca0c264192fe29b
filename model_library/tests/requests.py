"""Requests of the staff's API, as a browser sends them."""

import time
from pathlib import Path
from typing import Any

from django.test import Client

JOBS = "/api/model-jobs/"


def post(client: Client, path: str, body: Any = None) -> Any:
    return client.post(path, {} if body is None else body, content_type="application/json")


def announced(
    client: Client,
    *paths: Path,
    kind: str = "add",
    model: str = "",
    labelled_set: Path | None = None,
) -> dict[str, Any]:
    files = [
        {
            "name": path.name,
            "size_bytes": path.stat().st_size,
            "is_labelled_set": path == labelled_set,
        }
        for path in paths
    ]
    response = post(client, JOBS, {"kind": kind, "model": model, "files": files})
    assert response.status_code == 201, response.content
    return response.json()


def send(client: Client, url: str, chunk: bytes, offset: int) -> Any:
    return client.patch(
        url,
        chunk,
        content_type="application/offset+octet-stream",
        headers={"Upload-Offset": str(offset)},
    )


def uploaded(client: Client, *paths: Path, **more: Any) -> dict[str, Any]:
    """The job of an upload that is complete."""
    job = announced(client, *paths, **more)
    for file, path in zip(job["files"], paths, strict=True):
        assert send(client, file["url"], path.read_bytes(), 0).status_code == 204
    return job


def ended(client: Client, job: dict[str, Any]) -> dict[str, Any]:
    """The job once it does not run any more."""
    deadline_s = time.monotonic() + 300
    while (state := client.get(job["url"]).json())["state"] == "running":
        assert time.monotonic() < deadline_s
        time.sleep(0.05)
    return state


def understood(client: Client, *paths: Path, **answers: Any) -> dict[str, Any]:
    """The job of an uploaded model once it was looked into, or refused."""
    job = uploaded(client, *paths)
    response = post(client, f"{job['url']}start/", answers)
    assert response.status_code == 202, response.content
    return ended(client, job)
