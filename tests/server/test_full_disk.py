"""Tests of deletion on a full disk, with a real server on a small mounted file system."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MOUNTED = 'mount -t tmpfs -o size=64m tmpfs "$2" 2>/dev/null || exit 77; exec "$0" -c "$1" "$2"'
PROGRAM = """
import os, subprocess, sys, time
from pathlib import Path

import django
import requests

django.setup()

from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.core.management import call_command
from django.db import connection
from django.test import Client

from accounts.tokens import create_token
from classify.models import ClassifiedImage
from detect_video.models import FrameResult, State, Video

DATA = Path(sys.argv[1])
BOX = {"box": [1.5, 2.5, 3.5, 4.5], "class_id": 16, "class_name": "dog", "score": 0.9}


def picture(user):
    row = ClassifiedImage(user=user, score=1, probabilities={}, timing_ms={}, size_bytes=7)
    row.file.save("_.png", ContentFile(b"picture"))
    return row


def video(user, frames):
    row = Video.objects.create(user=user, name="a.mp4", size_bytes=3_000_000, state=State.DONE)
    row.folder.mkdir(parents=True)
    row.source_path.write_bytes(bytes(3_000_000))
    Video.objects.filter(pk=row.pk).update(file=f"detect_video/{row.pk}/source")
    FrameResult.objects.bulk_create(
        FrameResult(video=row, frame_index=i, pts_us=i, detections=[BOX] * 10)
        for i in range(frames)
    )
    return row


def fill_disk():
    with (DATA / "fill").open("ab", buffering=0) as file:
        size = 2**20
        while size >= 512:
            try:
                written = file.write(bytes(size))
            except OSError:
                written = 0
            size = size if written == size else size // 2


call_command("migrate", verbosity=0)
anna, bert = User.objects.create_user("anna"), User.objects.create_user("bert")
_, token = create_token(anna, "test")
browser = Client()
browser.force_login(anna)
cookies = {"sessionid": browser.cookies["sessionid"].value}
stored = picture(anna), picture(anna), video(anna, 1800)
picture(bert), video(bert, 600)
connection.close()
url = f"http://127.0.0.1:{os.environ['PORT']}"
server = subprocess.Popen([sys.executable, "manage.py", "serve"], stdout=2)
try:
    while True:
        assert server.poll() is None
        try:
            requests.get(f"{url}/livez", timeout=5)
            break
        except requests.ConnectionError:
            time.sleep(0.2)
    session = requests.Session()
    session.cookies.update(cookies)
    page = session.get(f"{url}/classify/pictures/")
    form = {"csrfmiddlewaretoken": page.text.partition('csrfmiddlewaretoken" value="')[2][:64]}
    fill_disk()
    done = session.post(f"{url}/classify/pictures/{stored[0].pk}/delete/", data=form)
    print("page", done.status_code, done.url.rpartition("/classify")[2])
    # This uses up the reserved space.
    fill_disk()
    bearer = {"Authorization": f"Bearer {token}"}
    address = f"{url}/api/videos/{stored[2].pk}/"
    print("video", requests.delete(address, headers=bearer).status_code)
    fill_disk()
    bert.delete()
    print("account", User.objects.count(), ClassifiedImage.objects.count(), Video.objects.count())
    left = [path for path in (DATA / "media").rglob("*") if path.is_file()]
    print("files", len(left))
    print("health", session.get(f"{url}/classify/pictures/").status_code)
finally:
    server.terminate()
    server.wait(60)
"""


@pytest.mark.parametrize("run_jobs", ["true", "false"])
def test_pictures_videos_and_accounts_are_deleted_on_a_full_disk(tmp_path, run_jobs):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    # All on the small disk: SQLite, too.
    elsewhere = ("DATABASE_URL", "REDIS_URL")
    environment = {
        **{name: value for name, value in os.environ.items() if name not in elsewhere},
        "DJANGO_SETTINGS_MODULE": "deploy_site.settings",
        "PYTHONPATH": str(ROOT),
        "DATA_DIR": str(tmp_path),
        "MODEL_DIR": str(ROOT / "no models"),
        "CONVERTED_DIR": str(ROOT / "var" / "test-converted"),
        "PORT": str(port),
        "DEBUG": "true",
        "LIMIT_FREE_BYTES": "1000000",
        "RUN_JOBS": run_jobs,
    }

    child = subprocess.run(
        ["unshare", "-rm", "sh", "-c", MOUNTED, sys.executable, PROGRAM, str(tmp_path)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )

    if child.returncode == 77 or "unshare" in child.stderr:
        pytest.skip("this system lets nobody mount a small disk")
    assert child.stdout.splitlines() == [
        "page 200 /pictures/",
        "video 204",
        "account 1 1 0",
        "files 1",
        "health 200",
    ], child.stderr[-5000:]
