"""The body limit, called like a server calls it."""

import json

import pytest

from web.middleware.body_limit import BodyLimit


async def echo(scope, receive, send) -> None:
    """An application that responds with the length of the body."""
    length, more = 0, True
    while more:
        message = await receive()
        length += len(message.get("body", b""))
        more = message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(length).encode()})


async def request(chunks: list[bytes], announced: bytes | None = None) -> tuple[int, bytes, int]:
    """Send a request; returns status, body, and the number of chunks that were read."""
    headers = [] if announced is None else [(b"content-length", announced)]
    pending, sent = list(chunks), []

    async def receive() -> dict:
        body = pending.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(pending)}

    async def send(message: dict) -> None:
        sent.append(message)

    await BodyLimit(echo, max_bytes=100)({"type": "http", "headers": headers}, receive, send)
    return sent[0]["status"], sent[1]["body"], len(chunks) - len(pending)


async def test_a_body_at_the_limit_passes():
    assert await request([b"x" * 60, b"x" * 40], b"100") == (200, b"100", 2)


@pytest.mark.parametrize("announced", [b"101", b"99000000000", b"-1", b"many"])
async def test_a_body_above_the_limit_is_rejected_unread(announced):
    status, body, taken = await request([b"x"], announced)

    assert (status, taken) == (413, 0)
    assert json.loads(body)["code"] == "body_too_large"
