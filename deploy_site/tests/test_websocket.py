import json
import sys
from collections.abc import Iterator

import pytest
from channels.testing import WebsocketCommunicator

from deploy_site.asgi import application
from deploy_site.tests.test_problems import (
    overwritten_database,
    sqlite_only,
    unreachable_database,
)

LOCAL = [(b"origin", b"http://localhost")]


async def test_an_unknown_path_gets_an_error_and_is_closed():
    communicator = WebsocketCommunicator(application, "/ws/nothing/", headers=LOCAL)

    connected, _ = await communicator.connect()
    message = await communicator.receive_json_from()
    closing = await communicator.receive_output()

    assert connected
    assert (message["type"], message["status"]) == ("error", 404)
    assert "/ws/nothing/" in message["detail"]
    assert (closing["type"], closing["code"]) == ("websocket.close", 4404)


async def test_pages_of_other_sites_cannot_connect():
    headers = [(b"origin", b"http://evil.example")]
    communicator = WebsocketCommunicator(application, "/ws/nothing/", headers=headers)

    connected, _ = await communicator.connect()

    assert not connected


@pytest.mark.parametrize("origin", [b"http://[", b"http://[::1", b"http://]", b"\xff", b""])
async def test_a_malformed_origin_is_rejected(origin):
    headers = [(b"origin", origin)]
    communicator = WebsocketCommunicator(application, "/ws/nothing/", headers=headers)

    connected, _ = await communicator.connect()

    assert not connected


@pytest.fixture(params=[overwritten_database, unreachable_database])
def unusable_database(request, transactional_db) -> Iterator[None]:
    with request.param():
        yield


@sqlite_only
@pytest.mark.usefixtures("unusable_database")
@pytest.mark.parametrize(
    "header", [(b"cookie", b"sessionid=abcdefgh"), (b"authorization", b"Bearer any")]
)
async def test_database_errors_close_a_socket_with_the_reason(header):
    path = "/ws/videos/5f0c7a52-1f3c-4f5e-8f2e-0b8f3d1f2a10/"
    headers = [*LOCAL, header, (b"accept-language", b"zh-hans")]
    communicator = WebsocketCommunicator(application, path, headers=headers)

    connected, _ = await communicator.connect(timeout=5)
    message = json.loads((await communicator.receive_output(timeout=5))["text"])
    closing = await communicator.receive_output(timeout=5)

    assert connected
    assert (message["type"], message["code"]) == ("error", "storage_unusable")
    assert "服务器" in message["detail"]
    assert (closing["type"], closing["code"]) == ("websocket.close", 4503)


def test_the_event_loop_need_not_wait_long_for_each_thread_that_computes():
    assert sys.getswitchinterval() == pytest.approx(0.001)
