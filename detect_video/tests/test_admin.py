"""The admin of videos and renderings."""

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from detect_video.jobs.tests.test_jobs import queued_video, rendering_of
from detect_video.models import Rendering, State, Video

LIST = "/admin/detect_video/video/"

pytestmark = [pytest.mark.usefixtures("toy_detector"), pytest.mark.django_db(transaction=True)]


@pytest.fixture
def admin_client() -> Client:
    client = Client()
    client.force_login(get_user_model().objects.create_superuser("admin"))
    return client


def act(client: Client, action: str, *videos: Video):
    chosen = [str(video.pk) for video in videos]
    body = {"action": action, "_selected_action": chosen, "post": "yes"}
    return client.post(LIST, body, follow=True)


def test_videos_are_listed_with_their_owner_and_progress(admin_client, clip):
    user = get_user_model().objects.create_user("anna")
    queued_video(clip, user=user, duration_s=2.0, frames_hint=20, frames_detected=7)
    queued_video(clip, session_key="abcdefghij")

    page = admin_client.get(LIST).content.decode()

    for text in ("anna", "session abcdef…", "2.0 s", "7 of 20 frames", "queued"):
        assert text.lower() in page.lower()


def test_a_video_is_shown_with_its_renderings_and_cannot_be_edited(admin_client, clip):
    video = queued_video(clip, state=State.DONE)
    rendering_of(video)

    page = admin_client.get(f"{LIST}{video.pk}/change/").content.decode()

    assert "mjpg" in page
    assert 'type="text"' not in page


def test_videos_are_cancelled_and_resumed(admin_client, clip):
    videos = [queued_video(clip), queued_video(clip, state=State.RUNNING)]

    act(admin_client, "cancel", *videos)
    assert {video.state for video in Video.objects.all()} == {State.CANCELLED}

    act(admin_client, "retry", *videos)
    assert {video.state for video in Video.objects.all()} == {State.QUEUED}


def test_a_video_without_a_file_cannot_be_resumed(admin_client, clip):
    video = queued_video(clip, state=State.FAILED)
    Video.objects.update(file="")

    page = act(admin_client, "retry", video).content.decode()

    assert "Upload it again" in page


def test_deleting_videos_removes_their_files(admin_client, clip, media):
    act(admin_client, "delete_selected", queued_video(clip), queued_video(clip))

    assert not Video.objects.exists()
    assert list((media / "detect_video").iterdir()) == []


def test_a_videos_first_frame_is_shown_to_staff(admin_client, clip, media):
    video = queued_video(clip)
    url = f"{LIST}{video.pk}/picture/"

    picture = admin_client.get(url)
    video.source_path.write_bytes(b"no video")

    for page in (LIST, f"{LIST}{video.pk}/change/"):
        assert url in admin_client.get(page).content.decode()
    assert picture["Content-Type"] == "image/jpeg"
    assert picture.content.startswith(b"\xff\xd8")
    assert admin_client.get(url).status_code == 404


def test_renderings_are_listed_found_and_cancelled(admin_client, clip):
    user = get_user_model().objects.create_user("anna")
    rendering = rendering_of(queued_video(clip, state=State.DONE, user=user))
    renderings = "/admin/detect_video/rendering/"

    page = admin_client.get(f"{renderings}?q=anna&state=queued").content.decode()
    body = {"action": "cancel", "_selected_action": [str(rendering.pk)]}
    admin_client.post(renderings, body)

    assert "anna" in page and "mjpg" in page
    assert (
        'type="text"'
        not in admin_client.get(f"{renderings}{rendering.pk}/change/").content.decode()
    )
    assert Rendering.objects.get().state == State.CANCELLED


def test_a_video_without_a_picture_has_no_image_in_the_list(admin_client, clip):
    complete = queued_video(clip)
    uploading = Video.objects.create(name="new.mp4", size_bytes=9, state=State.UPLOADING)

    page = admin_client.get(LIST).content.decode()

    assert f"{complete.pk}/picture/" in page
    assert f"{uploading.pk}/picture/" not in page
