import pytest
from channels.testing import WebsocketCommunicator

from deploy_site.asgi import application

LOCAL = [(b"origin", b"http://localhost")]


async def test_an_unknown_path_is_answered_and_closed():
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
async def test_an_origin_that_is_no_address_is_turned_away(origin):
    headers = [(b"origin", origin)]
    communicator = WebsocketCommunicator(application, "/ws/nothing/", headers=headers)

    connected, _ = await communicator.connect()

    assert not connected
