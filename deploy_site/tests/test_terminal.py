"""What the server writes to its terminal: one line for each thing that an operator should know."""

import logging
import os
import subprocess
import sys
import warnings

import pytest

from deploy_site.staticfiles import StaticFilesFilter


def lines(caplog) -> list[tuple[str, str]]:
    """The level and the logger of each record, which must have no traceback."""
    assert not any(record.exc_info for record in caplog.records)
    return [(record.levelname, record.name) for record in caplog.records]


async def test_a_static_file_is_served_without_a_warning(async_client, settings, tmp_path):
    settings.STATIC_ROOT = tmp_path
    tmp_path.joinpath("a.css").write_text("p {}")

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        response = await async_client.get("/static/a.css")
        part = await async_client.get("/static/a.css", headers={"range": "bytes=0-2"})

    assert response["Content-Type"].startswith("text/css")
    assert (response.content, response["Content-Length"]) == (b"p {}", "4")
    assert (part.status_code, part.content) == (206, b"p {")


@pytest.mark.django_db
@pytest.mark.parametrize(
    "path",
    ["/classify/client.py", "/detect-image/client.py", "/detect-image/gallery/street.jpg"],
)
async def test_a_file_of_the_site_is_served_without_a_warning(async_client, path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        response = await async_client.get(path)

    assert response.status_code == 200
    assert len(response.content) > 1000


def test_static_files_that_are_found_have_no_line_in_the_access_log():
    def is_logged(path: str, status: int) -> bool:
        arguments = ("127.0.0.1:1", "GET", path, "1.1", status)
        record = logging.makeLogRecord({"msg": '%s - "%s %s HTTP/%s" %d', "args": arguments})
        return StaticFilesFilter().filter(record)

    assert not is_logged("/static/css/base.css?v=1", 200)
    assert not is_logged("/static/css/base.css", 304)
    assert is_logged("/static/nothing.css", 404)
    assert is_logged("/", 200)
    assert StaticFilesFilter().filter(logging.makeLogRecord({"msg": "started"}))


@pytest.mark.parametrize("path", ["/", "/api/limits/"])
def test_an_unknown_host_is_one_line_that_names_the_setting(client, caplog, path):
    logging.getLogger("django.security.DisallowedHost").setLevel("CRITICAL")

    response = client.get(path, headers={"host": "photos.example:80"})

    assert lines(caplog) == [("WARNING", "web.problems")]
    assert "'photos.example'" in caplog.text and "ALLOWED_HOSTS" in caplog.text
    assert response.status_code == 400
    assert "photos.example" in response.content.decode()
    assert "ALLOWED_HOSTS" in response.content.decode()


@pytest.mark.django_db
def test_a_model_that_is_loading_is_no_warning(client, caplog, loading_detector):
    caplog.set_level("INFO")

    with loading_detector:
        answer = client.post("/api/detect/image/", {"gallery": "street.jpg"})
        probe = client.get("/readyz")

    assert (answer.status_code, probe.status_code) == (503, 503)
    expected = [record for record in caplog.records if record.name != "ml_core.model_pool"]
    assert {record.levelname for record in expected} == {"INFO"}
    assert [record.name for record in expected] == ["web.errors"]


def test_commands_print_their_results_without_log_lines(tmp_path):
    command = [sys.executable, "manage.py", "shell", "--no-imports", "-c"]
    program = (
        "import logging; logging.getLogger('ml_core.model_pool').info('ready');"
        "logging.getLogger('ml_core.engines.conversion').info('Converting ...');"
        "logging.getLogger('web').warning('look')"
    )

    environment = {**os.environ, "DATA_DIR": str(tmp_path)}
    child = subprocess.run([*command, program], env=environment, capture_output=True, text=True)

    assert child.stderr.splitlines() == ["Converting ...", "look"]
