"""Access to media at every address: owner, anonymous, visitor, other account and staff.

An address that is in neither table fails a test: decide whether it holds media, and add it.
"""

import io
import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.test import Client
from PIL import Image

from accounts.tokens import create_token
from classify.models import ClassifiedImage
from deploy_site.asgi import application
from deploy_site.tests.routes import filled, routes, socket_routes
from detect_image.models import DetectedImage
from detect_video.models import Rendering, State, Video

PICTURE = "detect-image/pictures/<uuid:pk>/"
PICTURE_API = "api/pictures/<uuid:pk>/"
CLASSIFIED = "classify/pictures/<int:pk>/"
CLASSIFIED_API = "api/classify/pictures/<int:pk>/"
VIDEO_API = "api/videos/<uuid:video_id>/"
RENDERING_API = VIDEO_API + "renderings/<uuid:rendering_id>/"

# Addresses of media: method, route, query, and the status for the owner.
OWNED = [
    ("GET", PICTURE, "", 200),
    ("GET", PICTURE + "<str:file_name>", "", 200),
    ("POST", PICTURE + "delete/", "", 302),
    ("GET", PICTURE_API, "", 200),
    ("DELETE", PICTURE_API, "", 204),
    ("GET", PICTURE_API + "export/", "?as=coco", 200),
    ("POST", PICTURE_API + "detect-again/", "", 200),
    ("GET", CLASSIFIED, "", 200),
    ("POST", CLASSIFIED + "delete/", "", 302),
    ("GET", CLASSIFIED_API, "", 200),
    ("DELETE", CLASSIFIED_API, "", 204),
    ("GET", "detect-video/<uuid:video_id>/", "", 200),
    ("GET", VIDEO_API, "", 200),
    ("DELETE", VIDEO_API, "", 204),
    ("HEAD", VIDEO_API + "upload/", "", 200),
    ("PATCH", VIDEO_API + "upload/", "", 204),
    ("GET", VIDEO_API + "file/", "", 200),
    ("GET", VIDEO_API + "poster/", "", 200),
    ("POST", VIDEO_API + "cancel/", "", 200),
    ("POST", VIDEO_API + "retry/", "", 200),
    ("POST", VIDEO_API + "detect-again/", "", 200),
    ("GET", VIDEO_API + "results.jsonl", "", 200),
    ("GET", VIDEO_API + "results.csv", "", 200),
    ("GET", VIDEO_API + "results.coco.json", "", 200),
    ("GET", VIDEO_API + "tracks/", "", 200),
    ("GET", VIDEO_API + "counts/", "?line=0,0,8,8", 200),
    ("GET", VIDEO_API + "counts.csv", "", 200),
    ("GET", VIDEO_API + "counts.json", "", 200),
    ("PATCH", VIDEO_API + "regions/", "", 200),
    ("POST", VIDEO_API + "renderings/", "", 202),
    ("GET", RENDERING_API, "", 200),
    ("DELETE", RENDERING_API, "", 204),
    ("GET", RENDERING_API + "file/", "", 200),
]
# Lists, which contain only own media.
LISTS = ["detect-image/pictures/", "api/pictures/", "api/videos/"]
LISTS += ["classify/pictures/", "api/classify/pictures/"]
# Addresses without stored media.
OPEN = {
    "",
    "classify/",
    "classify/client.py",
    "detect-image/",
    "detect-image/server/",
    "detect-image/client.py",
    "detect-image/vision_mcp.py",
    "detect-image/gallery/<str:key>",
    "detect-video/",
    "detect-camera/",
    "api/classify/",
    "api/detect/image/",
    "api/gallery/",
    "api/gallery/picture/",
    # Converts an uploaded recording and stores nothing.
    "api/videos/avi/",
    "api/example/",
    "models/",
    "api/models/",
    # For the staff, who share the models and their jobs; tested with the page.
    "api/models/<str:name>/",
    "api/models/<str:name>/speed/",
    "api/models/<str:name>/description/",
    "api/models/<str:name>/install/",
    "api/model-jobs/",
    "api/model-jobs/<uuid:job_id>/",
    "api/model-jobs/<uuid:job_id>/files/<int:number>/",
    "api/model-jobs/<uuid:job_id>/start/",
    "api/model-jobs/<uuid:job_id>/add/",
    "api/model-jobs/<uuid:job_id>/sample.jpg",
    "api/limits/",
    "api/schema/",
    "api/docs/",
    "api/",
    "api/<path:rest>",
    "accounts/sign-in/",
    "accounts/sign-up/",
    "accounts/sign-out/",
    "accounts/",
    "accounts/password/",
    "accounts/password/changed/",
    "accounts/password/forgotten/",
    "accounts/password/forgotten/sent/",
    "accounts/password/forgotten/done/",
    "accounts/password/forgotten/<uidb64>/<token>/",
    # Needs the password; tested with the account.
    "accounts/delete/",
    "accounts/deleted/",
    # Access to tokens is tested in accounts.
    "accounts/tokens/",
    "accounts/tokens/<int:pk>/revoke/",
    "i18n/setlang/",
    "favicon.ico",
    "livez",
    "readyz",
    # For staff and clients with METRICS_TOKEN.
    "metrics",
    # The dialects of other programs store nothing.
    "v1/vision/detection",
    "v1/vision/custom/list",
    "v1/vision/custom/<str:model>",
    "v1/server/status/ping",
    "v1/status/updateavailable",
    "detectors",
    "detect",
    "model/registry",
    "model/add",
    "infer/object_detection",
    "infer/classification",
    "v2",
    "v2/health/live",
    "v2/health/ready",
    "v2/models/<open_inference_model:model>",
    "v2/models/<open_inference_model:model>/ready",
    "v2/models/<open_inference_model:model>/infer",
    "health",
    "setup",
    "predict",
    "webhook",
}
OWNED_SOCKETS = ["ws/videos/<uuid:video_id>/"]
# Camera frames are not stored; the last route answers unknown paths.
OPEN_SOCKETS = ["ws/camera/", ""]

pytestmark = [pytest.mark.usefixtures("toy_detector"), pytest.mark.django_db]


def jpeg() -> ContentFile:
    output = io.BytesIO()
    Image.new("RGB", (8, 8)).save(output, "JPEG")
    return ContentFile(output.getvalue(), "picture.jpeg")


class Media:
    """Two pictures, a video and a rendering of one owner."""

    def __init__(self, **owner: Any) -> None:
        sizes = {"width": 8, "height": 8, "score_threshold": 0.5, "iou_threshold": 0.5}
        self.picture = DetectedImage(detections=[], timing_ms={}, **sizes, **owner)
        self.picture.original.save("picture.jpeg", jpeg(), save=False)
        self.picture.drawn.save("picture.jpeg", jpeg())
        self.classified = ClassifiedImage(score=1, probabilities={}, timing_ms={}, **owner)
        self.classified.file.save("picture.jpeg", jpeg())
        self.video = Video(name="clip.mp4", size_bytes=5, received_bytes=5, state=State.DONE)
        self.video.width = self.video.height = 8
        self.video.user, self.video.session_key = owner.get("user"), owner.get("session_key", "")
        self.video.file.save("clip.mp4", ContentFile(b"video"))
        self.video.folder.mkdir(parents=True)
        self.video.source_path.write_bytes(b"video")
        self.video.poster_path.write_bytes(jpeg().read())
        self.rendering = Rendering(
            video=self.video, codec="h264", score_threshold=0.5, state=State.DONE
        )
        self.rendering.show_names = self.rendering.show_scores = True
        self.rendering.file.save("rendering.mp4", ContentFile(b"rendering"))

    def path(self, route: str) -> str:
        return filled(
            route,
            pk=self.classified.pk if "classify" in route else self.picture.pk,
            file_name=self.picture.original_url.rpartition("/")[2],
            video_id=self.video.pk,
            rendering_id=self.rendering.pk,
        )

    def rows(self) -> list[dict]:
        models = (ClassifiedImage, DetectedImage, Video, Rendering)
        return [row for model in models for row in model.objects.values()]


def browser(user: User | None = None) -> Client:
    """A client that is signed in, or a visitor with a session."""
    client = Client()
    if user:
        client.force_login(user)
    else:
        session = client.session
        session["seen"] = True
        session.save()
    return client


def program(user: User) -> Client:
    text = create_token(user, uuid4().hex)[1]
    return Client(headers={"authorization": f"Bearer {text}"})


def strangers() -> dict[str, Client]:
    other = User.objects.create_user("other")
    staff = User.objects.create_superuser("staff")
    return {
        "anonymous": Client(),
        "visitor": browser(),
        "other": browser(other),
        "other's program": program(other),
        "staff": browser(staff),
    }


@pytest.fixture(params=["account", "program", "session"])
def owned(request, settings, tmp_path) -> tuple[Client, Media]:
    """A client with its media: a signed-in browser, a token, or a visitor's session."""
    settings.MEDIA_ROOT = tmp_path / "media"
    if request.param == "session":
        client = browser()
        return client, Media(session_key=client.session.session_key)
    user = User.objects.create_user("owner")
    return (browser(user) if request.param == "account" else program(user)), Media(user=user)


def ask(client: Client, method: str, path: str) -> int:
    body: dict[str, Any] = {}
    if path.endswith("/regions/"):
        body = {"data": {"lines": [[0, 0, 8, 8]]}, "content_type": "application/json"}
    elif method == "PATCH":
        content_type = "application/offset+octet-stream"
        body = {"content_type": content_type, "HTTP_UPLOAD_OFFSET": "5"}
    elif method == "POST" and path.endswith("/renderings/"):
        body = {"data": {"codec": "h264"}, "content_type": "application/json"}
    response = getattr(client, method.lower())(path, **body)
    # A server closes the answer, and with it the file; here that would close the database, too.
    for close in response._resource_closers:
        close()
    return response.status_code


def test_every_address_is_in_one_of_the_tables():
    known = OPEN | {*LISTS} | {route for _, route, _, _ in OWNED}

    found = {route for route, _ in routes() if not route.startswith("admin/")}

    assert found - known == set(), "new addresses: whose media do they hold?"
    assert known - found == set(), "addresses that no longer exist"


def test_every_method_of_media_addresses_is_in_the_table():
    known = {(method, route) for method, route, _, _ in OWNED}
    owned_routes = {route for _, route, _, _ in OWNED}

    for route, view in routes():
        view_class = getattr(view, "cls", None) or getattr(view, "view_class", None)
        if route in owned_routes and view_class:
            methods = ["GET", "POST", "PUT", "PATCH", "DELETE"]
            supported = {name for name in methods if hasattr(view_class, name.lower())}
            assert {(method, route) for method in supported} <= known


@pytest.mark.parametrize(("method", "route", "query", "status"), OWNED)
def test_only_the_owner_can_access_media(owned, method, route, query, status):
    owner, media = owned
    path = media.path(route) + query
    before = media.rows()

    answers = {name: ask(client, method, path) for name, client in strangers().items()}

    assert set(answers.values()) == {404}, answers
    assert media.rows() == before
    assert ask(owner, method, path) == status


@pytest.mark.parametrize("route", LISTS)
def test_lists_contain_only_own_media(owned, route):
    owner, media = owned
    key = str(media.video.pk if "videos" in route else media.picture.pk)
    key = media.classified.file_url if "classify" in route else key

    for name, client in strangers().items():
        response = client.get(media.path(route))
        assert response.status_code == 200
        assert key not in response.content.decode(), name
    assert key in owner.get(media.path(route)).content.decode()


def test_only_staff_can_open_the_admin(owned):
    owner, media = owned
    clients = {"owner": owner, **strangers()}
    staff = clients.pop("staff")
    in_admin = [route for route, _ in routes() if route.startswith("admin/") and "(" not in route]
    ways_in = {"admin/login/", "admin/logout/", "admin/jsi18n/"}

    assert len(in_admin) > 20
    for route in {*in_admin} - ways_in:
        for name, client in clients.items():
            status = client.get(media.path(route)).status_code
            # Tokens get a 403 instead of a redirect.
            assert status in (302, 403), (route, name)
    picture = f"/admin/detect_image/detectedimage/{media.picture.pk}/picture/original/"
    assert staff.get(picture).status_code == 200


def test_every_socket_is_in_one_of_the_tables():
    assert sorted(socket_routes()) == sorted(OWNED_SOCKETS + OPEN_SOCKETS)


async def first_message(path: str, client: Client) -> dict:
    headers = [(b"origin", b"http://localhost")]
    if "sessionid" in client.cookies:
        headers.append((b"cookie", f"sessionid={client.cookies['sessionid'].value}".encode()))
    if "HTTP_AUTHORIZATION" in client.defaults:
        headers.append((b"authorization", client.defaults["HTTP_AUTHORIZATION"].encode()))
    communicator = WebsocketCommunicator(application, path, headers=headers)
    await communicator.connect()
    message = json.loads((await communicator.receive_output(timeout=5))["text"])
    await communicator.disconnect()
    return message


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("route", OWNED_SOCKETS)
async def test_only_the_owner_can_open_media_sockets(owned, route):
    owner, media = owned
    path = media.path(route)
    in_thread: Callable = sync_to_async(strangers)

    for name, client in (await in_thread()).items():
        message = await first_message(path, client)
        assert (message["type"], message["status"]) == ("error", 404), name
    assert (await first_message(path, owner))["type"] == "info"
