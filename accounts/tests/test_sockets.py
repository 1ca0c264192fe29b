"""Authentication of WebSockets, and their end with the session or token."""

import asyncio
import json

import pytest
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.contrib.auth.models import User
from django.test import Client

from accounts import sockets
from accounts.models import ApiToken
from accounts.tokens import create_token
from deploy_site.asgi import application
from detect_video.models import Video

pytestmark = pytest.mark.django_db(transaction=True)


Checks = asyncio.Queue[WebsocketCommunicator]


@pytest.fixture(autouse=True)
def checks(settings, monkeypatch) -> Checks:
    """The sockets whose session or token was found valid, in the order of these checks."""
    valid: Checks = asyncio.Queue()
    is_still_valid = sockets._is_still_valid

    async def recorded(scope) -> bool:
        is_valid = await is_still_valid(scope)
        if is_valid:
            valid.put_nowait(scope["communicator"])
        return is_valid

    settings.SOCKET_CHECK_SECONDS = 0.01
    monkeypatch.setattr(sockets, "_is_still_valid", recorded)
    return valid


@pytest.fixture
def user() -> User:
    return User.objects.create_user("owner", password="a rather long sentence")


@pytest.fixture
def video(user) -> Video:
    return Video.objects.create(name="clip", size_bytes=1, user=user)


@pytest.fixture
def token(user) -> str:
    return create_token(user, "mine")[1]


def socket(path: str, client: Client | None = None, token: str = "") -> WebsocketCommunicator:
    headers = [(b"origin", b"http://localhost")]
    if client:
        headers.append((b"cookie", f"sessionid={client.cookies['sessionid'].value}".encode()))
    if token:
        headers.append((b"authorization", f"Bearer {token}".encode()))
    communicator = WebsocketCommunicator(application, path, headers=headers)
    communicator.scope["communicator"] = communicator
    return communicator


async def assert_closed(communicator: WebsocketCommunicator, code: str) -> None:
    message = await communicator.receive_output(timeout=5)
    closing = await communicator.receive_output(timeout=5)
    error = json.loads(message["text"])
    assert (error["type"], error["status"], error["code"]) == ("error", 401, code)
    assert (closing["type"], closing["code"]) == ("websocket.close", 4401)


async def assert_stays_open(communicator: WebsocketCommunicator, checks: Checks) -> None:
    """Assert that the next check of the session or token leaves the socket open."""
    while not checks.empty():
        checks.get_nowait()
    # The first one may have begun before.
    for _ in range(2):
        while await asyncio.wait_for(checks.get(), 10) is not communicator:
            pass
    assert communicator.output_queue.empty()


async def test_a_token_opens_sockets_of_its_account(video, token, checks):
    communicator = socket(f"/ws/videos/{video.pk}/", token=token)

    await communicator.connect()

    info = await communicator.receive_json_from(5)
    assert (info["type"], info["id"]) == ("info", str(video.pk))
    await assert_stays_open(communicator, checks)
    await communicator.disconnect()


async def test_an_invalid_token_is_rejected(video):
    communicator = socket(f"/ws/videos/{video.pk}/", token="wrong")

    assert (await communicator.connect())[0]

    await assert_closed(communicator, "bad_token")


@pytest.mark.parametrize("path", ["/ws/camera/", "/ws/nothing/"])
async def test_a_closed_site_rejects_sockets_of_visitors(settings, path):
    settings.REQUIRE_LOGIN = True
    communicator = socket(path)

    assert (await communicator.connect())[0]

    await assert_closed(communicator, "not_authenticated")


async def test_signing_out_closes_only_the_sockets_of_the_session(client, user, video, checks):
    other_browser = Client()
    await sync_to_async(client.force_login)(user)
    await sync_to_async(other_browser.force_login)(user)
    path = f"/ws/videos/{video.pk}/"
    mine, other = socket(path, client), socket(path, other_browser)
    for communicator in (mine, other):
        await communicator.connect()
        assert (await communicator.receive_json_from(5))["type"] == "info"
    await assert_stays_open(mine, checks)

    await sync_to_async(client.post)("/accounts/sign-out/")

    await assert_closed(mine, "signed_out")
    await assert_stays_open(other, checks)
    await mine.disconnect()
    await other.disconnect()


@pytest.mark.parametrize("end", ["inactive", "password"])
async def test_deactivating_an_account_or_changing_the_password_closes_sockets(
    client, user, video, end
):
    await sync_to_async(client.force_login)(user)
    communicator = socket(f"/ws/videos/{video.pk}/", client)
    await communicator.connect()
    await communicator.receive_json_from(5)

    if end == "inactive":
        user.is_active = False
    else:
        user.set_password("another long sentence")
    await user.asave()

    await assert_closed(communicator, "signed_out")
    await communicator.disconnect()


@pytest.mark.parametrize("end", ["revoked", "password"])
async def test_revoking_a_token_or_changing_the_password_closes_its_sockets(
    user, video, token, end
):
    communicator = socket(f"/ws/videos/{video.pk}/", token=token)
    await communicator.connect()
    await communicator.receive_json_from(5)

    if end == "revoked":
        await ApiToken.objects.all().adelete()
    else:
        user.set_password("another long sentence")
        await user.asave()

    await assert_closed(communicator, "signed_out")
    await communicator.disconnect()


def test_sockets_are_checked_at_least_every_minute():
    from deploy_site import settings

    assert settings.SOCKET_CHECK_SECONDS <= 60
