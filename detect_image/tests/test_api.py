"""Tests of ``POST /api/detect/image/`` with the toy network."""

import base64
import io
import json
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client, override_settings
from PIL import Image

from ml_core import engine, model_pool
from ml_core.catalog import installed, selection
from ml_core.errors import Busy, manage_command
from ml_core.pictures.tests.test_images import bomb
from ml_core.tests.toy_network import BLUE, GREY, RED, cells_picture, install_toy_network
from web.rest import picture_uploads

URL = "/api/detect/image/"
CELLS = {(1, 0): RED, (2, 2): BLUE}

pytestmark = [pytest.mark.usefixtures("toy_detector"), pytest.mark.django_db]


def encoded(picture: Image.Image, format_name: str = "PNG", **options) -> bytes:
    output = io.BytesIO()
    picture.save(output, format_name, **options)
    return output.getvalue()


PICTURE = encoded(cells_picture(CELLS, side=960))
BASE64 = base64.b64encode(PICTURE).decode()


def post_file(client: Client, data: bytes, name: str = "a.png", kind: str = "image/png", **fields):
    return client.post(URL, {"image": SimpleUploadedFile(name, data, kind), **fields})


def post_json(client: Client, body: object):
    return client.post(URL, json.dumps(body), content_type="application/json")


def assert_problem(response, status: int, code: str, *words: str) -> None:
    assert response.status_code == status
    assert response["Content-Type"] == "application/problem+json"
    problem = json.loads(response.content)
    assert problem["status"] == status
    assert problem["code"] == code
    for word in words:
        assert word in problem["detail"]


@pytest.mark.parametrize("fields", [{}, {"return": "base64"}, {"store": "true"}])
def test_a_jpeg_without_its_last_bytes_is_decoded_and_marked_as_truncated(client, fields):
    whole = encoded(cells_picture(CELLS, side=960), "JPEG", quality=95)

    answers = [post_file(client, data, **fields).json() for data in (whole, whole[:-2])]

    assert [answer["truncated"] for answer in answers] == [False, True]
    assert answers[0]["detections"] == answers[1]["detections"]
    assert len(answers[1]["detections"]) == 2


def test_a_jpeg_that_lacks_more_is_rejected_as_truncated(client):
    whole = encoded(Image.effect_noise((960, 960), 60).convert("RGB"), "JPEG")

    assert_problem(post_file(client, whole[: len(whole) // 2]), 422, "image_truncated", "rows")


def test_an_uploaded_picture_is_answered_with_its_objects(client):
    response = post_file(client, PICTURE)

    answer = response.json()
    assert response.status_code == 200
    assert answer["model"] == "toy"
    assert answer["image"] == {"width": 960, "height": 960}
    assert answer["detections"] == [
        {"box": [320, 0, 640, 320], "class_id": 0, "class_name": "tomato", "score": 1.0},
        {"box": [640, 640, 960, 960], "class_id": 1, "class_name": "plum", "score": 1.0},
    ]
    stages = ["decode", "preprocess", "queue", "inference", "postprocess"]
    assert list(answer["timing_ms"]) == stages
    assert all(f"{stage};dur=" in response["Server-Timing"] for stage in stages)


@pytest.mark.parametrize(
    "body",
    [
        {"image": BASE64},
        {"image": f"data:image/png;base64,{BASE64}"},
        {"image": {"type": "base64", "value": BASE64}},
    ],
)
def test_json_with_base64_gets_the_same_answer(client, body):
    response = post_json(client, body)

    assert [d["class_name"] for d in response.json()["detections"]] == ["tomato", "plum"]


@pytest.mark.parametrize("kind", ["image/png", "image/jpeg", "image/anything"])
def test_a_raw_body_of_any_image_type_gets_the_same_answer(client, kind):
    response = client.post(URL, PICTURE, content_type=kind)

    assert [d["class_name"] for d in response.json()["detections"]] == ["tomato", "plum"]


def test_the_declared_content_type_of_a_file_is_ignored(client):
    response = post_file(client, PICTURE, name="a.txt", kind="text/plain")

    assert response.status_code == 200


def test_a_form_field_may_hold_base64(client):
    response = client.post(URL, {"image": BASE64})

    assert response.status_code == 200


def test_boxes_refer_to_the_whole_picture_though_a_large_jpeg_is_decoded_smaller(client):
    large = encoded(cells_picture({(1, 0): RED, (2, 2): BLUE}, side=1920), "JPEG", quality=95)

    smaller = post_file(client, large).json()
    whole = post_file(client, large, **{"return": "base64"}).json()

    assert smaller["image"] == whole["image"] == {"width": 1920, "height": 1920}
    assert [found["class_name"] for found in smaller["detections"]] == ["tomato", "plum"]
    for one, other in zip(smaller["detections"], whole["detections"], strict=True):
        np.testing.assert_allclose(one["box"], other["box"], atol=1)
        assert abs(one["score"] - other["score"]) < 0.01


@pytest.mark.parametrize("where", ["query", "form", "json"])
def test_parameters_may_be_in_the_query_the_form_or_the_json(client, where):
    parameters = {"score_threshold": 0.9999, "model": "toy"}
    pale = encoded(cells_picture({(0, 0): (200, 60, 60), (2, 2): BLUE}))

    if where == "query":
        response = client.post(f"{URL}?score_threshold=0.9999&model=toy", pale, "image/png")
    elif where == "form":
        response = post_file(client, pale, **parameters)
    else:
        response = post_json(client, {"image": base64.b64encode(pale).decode(), **parameters})

    assert [d["class_name"] for d in response.json()["detections"]] == ["plum"]


def test_empty_form_fields_count_as_absent(client):
    response = post_file(client, PICTURE, model="", score_threshold="", iou_threshold="")

    assert response.status_code == 200


def test_boxes_refer_to_the_upright_picture(client):
    exif = Image.Exif()
    exif[0x0112] = 6
    upright = cells_picture({(2, 0): RED}).resize((96, 48))
    stored = upright.transpose(Image.Transpose.ROTATE_90)

    answer = post_file(client, encoded(stored, "PNG", exif=exif)).json()

    assert answer["image"] == {"width": 96, "height": 48}
    assert answer["detections"][0]["box"] == pytest.approx([64, 0, 96, 16], abs=3)


@pytest.mark.parametrize(
    ("mode", "format_name"), [("CMYK", "JPEG"), ("P", "PNG"), ("RGBA", "WEBP")]
)
def test_pictures_of_every_mode_get_the_same_answer(client, mode, format_name):
    picture = cells_picture(CELLS, side=960).convert(mode)

    answer = post_file(client, encoded(picture, format_name)).json()

    assert {d["class_name"] for d in answer["detections"]} == {"tomato", "plum"}


@pytest.mark.parametrize("kind", ["application/json", "image/png", "multipart/form-data"])
def test_an_empty_body_is_rejected(client, kind):
    assert_problem(client.post(URL, b"", content_type=kind), 422, "invalid_parameters", "image")


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (b"", 422, "empty_file"),
        (b"no picture", 415, "unsupported_media_type"),
        (encoded(Image.new("RGB", (32, 32)), "GIF"), 415, "unsupported_media_type"),
        (PICTURE[: len(PICTURE) // 2], 422, "image_truncated"),
        (bomb(20_000), 422, "image_too_large"),
        (encoded(Image.new("RGB", (1, 100))), 422, "image_too_small"),
        (
            encoded(
                Image.new("RGB", (32, 32)),
                "WEBP",
                save_all=True,
                append_images=[Image.new("RGB", (32, 32), "red")],
            ),
            422,
            "animated_not_supported",
        ),
    ],
    ids=["empty", "text", "gif", "truncated", "bomb", "tiny", "animated"],
)
def test_an_unusable_picture_is_rejected(client, data, status, code):
    assert_problem(post_file(client, data), status, code)
    if data:
        assert_problem(client.post(URL, data, content_type="image/png"), status, code)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 422, "invalid_parameters"),
        ({"image": None}, 422, "invalid_parameters"),
        ({"image": 5}, 422, "invalid_parameters"),
        ({"image": ["a"]}, 422, "invalid_parameters"),
        ({"image": {"type": "url", "value": "http://localhost"}}, 422, "invalid_parameters"),
        ({"image": "%%%"}, 422, "base64_invalid"),
        ({"image": BASE64 + "A"}, 422, "base64_invalid"),
        ({"image": "data:text/html;base64,PGI+"}, 422, "base64_invalid"),
        ({"image": "aGVsbG8="}, 415, "unsupported_media_type"),
        ({"image": ""}, 422, "empty_file"),
        ([], 400, "parse_error"),
        ("text", 400, "parse_error"),
        (5, 400, "parse_error"),
    ],
)
def test_json_of_the_wrong_shape_is_rejected(client, body, status, code):
    assert_problem(post_json(client, body), status, code)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{", "parse_error"),
        ("[" * 100_000, "parse_error"),
        ('{"image": NaN}', "parse_error"),
        ("\xff\xfe", "parse_error"),
    ],
)
def test_invalid_json_is_rejected(client, text, code):
    response = client.post(URL, text.encode("latin-1"), content_type="application/json")

    assert_problem(response, 400, code)


@pytest.mark.parametrize(
    "parameters",
    [
        {"score_threshold": 1.01},
        {"score_threshold": -0.1},
        {"score_threshold": "nan"},
        {"score_threshold": "inf"},
        {"iou_threshold": "half"},
        {"iou_threshold": 2},
    ],
)
def test_thresholds_out_of_range_are_rejected_by_name(client, parameters):
    (name,) = parameters

    assert_problem(post_file(client, PICTURE, **parameters), 422, "invalid_parameters", name)


def test_an_unknown_model_is_rejected_with_the_known_names(client):
    response = post_file(client, PICTURE, model="yolov9")

    assert_problem(response, 422, "unknown_model", "yolov9", "vision-small, toy.")
    assert "yolov3" not in response.json()["detail"]


@pytest.mark.parametrize(
    ("language", "says"),
    [
        ("en", "yolov3-tiny is not installed on this server. Run: {}"),
        ("zh-CN", "此服务器上尚未安装模型 yolov3-tiny。请运行：{}"),
    ],
)
def test_only_the_staff_reads_how_to_install_a_missing_model(client, admin_client, language, says):
    command = manage_command("fetch_models yolov3-tiny")
    for one in (client, admin_client):
        one.defaults["HTTP_ACCEPT_LANGUAGE"] = language

    answers = [post_file(one, PICTURE, model="yolov3-tiny") for one in (client, admin_client)]

    for answer in answers:
        assert_problem(answer, 503, "model_not_installed")
    visitors, staffs = [json.loads(answer.content)["detail"] for answer in answers]
    assert staffs == says.format(command)
    assert staffs.startswith(visitors) and "manage.py" not in visitors


def test_a_site_without_models_says_so(client, no_detector):
    answer = post_file(client, PICTURE)

    assert_problem(answer, 503, "model_not_installed", "No detection model is installed")


def test_a_missing_file_is_named(client):
    assert_problem(client.post(URL, {"picture": "x"}), 422, "invalid_parameters", "image: ")


def test_other_content_types_are_rejected(client):
    response = client.post(URL, "x", content_type="text/plain")

    assert_problem(response, 415, "unsupported_media_type")


def test_other_methods_are_rejected(client):
    assert_problem(client.get(URL), 405, "method_not_allowed")


def test_a_picture_of_too_many_bytes_is_rejected(client, settings):
    settings.LIMITS = {**settings.LIMITS, "image_bytes": len(PICTURE)}
    assert post_file(client, PICTURE).status_code == 200

    settings.LIMITS = {**settings.LIMITS, "image_bytes": len(PICTURE) - 1}
    for response in (
        post_file(client, PICTURE),
        client.post(URL, PICTURE, content_type="image/png"),
        post_json(client, {"image": BASE64}),
    ):
        assert_problem(response, 413, "image_too_many_bytes")


def test_json_above_the_body_limit_is_rejected(client, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000

    assert_problem(post_json(client, {"image": BASE64}), 413, "body_too_large")


def test_too_many_files_are_rejected(client):
    files = {f"file{n}": SimpleUploadedFile("a.png", b"x") for n in range(5)}

    assert_problem(client.post(URL, files), 400, "too_many_files")


def test_the_name_of_an_uploaded_file_is_ignored(client):
    for name in ("../../etc/passwd", "a\x00.png", "x" * 4000, "\u202egnp.exe", "a\r\nb: c.png"):
        assert post_file(client, PICTURE, name=name).status_code == 200


def test_browsers_get_a_form_to_try_the_api(client):
    page = client.get(URL, headers={"accept": "text/html"})

    assert page.status_code == 200
    assert page["Content-Type"].startswith("text/html")
    assert b'type="file"' in page.content
    assert b'name="score_threshold"' in page.content


def test_a_submitted_form_is_answered_as_a_page(client):
    response = client.post(
        URL,
        {"image": SimpleUploadedFile("a.png", PICTURE)},
        headers={"accept": "text/html,application/xhtml+xml"},
    )

    assert response.status_code == 200
    assert b"tomato" in response.content


def test_a_full_queue_is_answered_with_retry_after(client, settings, monkeypatch):
    broker = model_pool.broker(selection.default_model("detection"))
    monkeypatch.setattr(broker, "_max_queued", 0)

    response = post_file(client, PICTURE)

    assert_problem(response, 429, "busy")
    assert int(response["Retry-After"]) > 0


def test_the_number_of_pictures_in_memory_is_limited(client, settings):
    post_file(client, PICTURE)  # The model is loaded by now.
    settings.LIMITS = {**settings.LIMITS, "pictures_in_memory": 2, "inference_seconds": 0.05}

    with picture_uploads.picture_in_memory("one"), picture_uploads.picture_in_memory("another"):
        turned_away = post_file(client, PICTURE)

    assert_problem(turned_away, 429, "busy")
    settings.LIMITS = {**settings.LIMITS, "inference_seconds": 30}
    assert post_file(client, PICTURE).status_code == 200


def test_one_client_cannot_use_all_the_memory_slots(settings):
    settings.LIMITS = {**settings.LIMITS, "pictures_in_memory": 4, "inference_seconds": 0.05}

    with picture_uploads.picture_in_memory("greedy"), picture_uploads.picture_in_memory("greedy"):
        with pytest.raises(Busy), picture_uploads.picture_in_memory("greedy"):
            pass
        with picture_uploads.picture_in_memory("modest"):
            pass
    with picture_uploads.picture_in_memory("greedy"):
        pass


def test_waiting_requests_are_admitted_in_order_of_arrival(settings):
    settings.LIMITS = {**settings.LIMITS, "pictures_in_memory": 1}
    served = []

    def visit(number: int) -> None:
        with picture_uploads.picture_in_memory("same"):
            served.append(number)

    with ThreadPoolExecutor(8) as threads, picture_uploads.picture_in_memory("same"):
        for number in range(8):
            threads.submit(visit, number)
            while len(picture_uploads._waiting) <= number:
                time.sleep(0.001)

    assert served == list(range(8))


@pytest.mark.parametrize("fields", [{}, {"return": "base64"}, {"store": "true"}, {"model": "toy"}])
def test_a_model_that_is_loading_is_a_problem_with_retry_after(client, loading_detector, fields):
    first = post_file(client, PICTURE, **fields)
    loading_detector.close()
    engine.detect(np.zeros((96, 96, 3), np.uint8))
    second = post_file(client, PICTURE, **fields)

    assert_problem(first, 503, "model_loading", "toy is loading")
    assert first["Retry-After"] == "2"
    assert second.status_code == 200


def test_waiting_for_a_model_uses_no_memory_slot(client, monkeypatch):
    taken = []
    wait = model_pool.wait_until_loaded

    def waiting(task, model):
        taken.append(dict(picture_uploads._in_memory))
        return wait(task, model)

    monkeypatch.setattr(model_pool, "wait_until_loaded", waiting)

    post_file(client, PICTURE)

    assert taken == [{}]


@pytest.mark.parametrize("fields", [{}, {"tiles": "2"}, {"return": "base64"}])
def test_a_request_reads_the_folders_of_the_models_once(client, monkeypatch, fields):
    folders = []
    read = installed.read_catalog
    monkeypatch.setattr(
        installed, "read_catalog", lambda folder: folders.append(folder) or read(folder)
    )

    assert post_file(client, PICTURE, **fields).status_code == 200

    assert len(folders) == 1


def test_a_picture_without_its_content_type_is_explained(client):
    body = b"&".join(b"%d=" % number for number in range(300))

    response = client.post(URL, body, content_type="application/x-www-form-urlencoded")

    assert_problem(response, 400, "too_many_fields", "Content-Type: image/jpeg")


def test_base64_may_have_line_breaks_up_to_the_limit(client, settings):
    settings.LIMITS = {**settings.LIMITS, "image_bytes": len(PICTURE)}
    lines = "\n".join(BASE64[at : at + 76] for at in range(0, len(BASE64), 76))

    assert post_json(client, {"image": lines}).status_code == 200


def test_a_long_model_name_is_not_echoed(client):
    response = post_file(client, PICTURE, model="x" * 10**5)

    assert_problem(response, 422, "invalid_parameters")
    assert len(response.content) < 1000


def test_basic_authentication_headers_are_ignored(client):
    response = client.get("/api/models/", headers={"Authorization": "Basic YTpi"})

    assert response.status_code == 200


def test_a_picture_without_objects_has_an_empty_list(client):
    answer = post_file(client, encoded(Image.new("RGB", (50, 50), GREY))).json()

    assert answer["detections"] == []


def test_names_are_drawn_in_the_requested_language_and_returned_in_english(client, tmp_path):
    install_toy_network(tmp_path)
    (tmp_path / "toy" / "toy.names").write_text("apple\nbird\n")

    with override_settings(MODEL_DIR=tmp_path):
        english, chinese = (
            client.post(
                URL,
                {"image": SimpleUploadedFile("a.png", PICTURE, "image/png"), "return": "base64"},
                headers={"Accept-Language": language},
            ).json()
            for language in ("en", "zh-CN")
        )

    assert english["drawn"] != chinese["drawn"]
    assert english["detections"] == chinese["detections"]
    assert chinese["detections"][0]["class_name"] == "apple"


def test_tiles_look_closer_and_have_a_range(client, settings, tmp_path):
    settings.MODEL_DIR = tmp_path
    install_toy_network(tmp_path, "small", box_side=16)
    # A cell of the first tile, in a JPEG that is decoded smaller for the whole picture.
    image = np.full((1920, 1920, 3), GREY, np.uint8)
    image[0:376, 0:376] = RED
    picture = encoded(Image.fromarray(image), "JPEG", quality=95)

    whole, tiled = (
        post_file(client, picture, model="small", tiles=tiles).json()["detections"]
        for tiles in (1, 2)
    )

    assert (len(whole), len(tiled)) == (0, 1)
    assert tiled[0]["box"] == pytest.approx((94, 94, 282, 282), abs=1)
    for tiles in ("0", "4", "two"):
        assert_problem(post_file(client, picture, tiles=tiles), 422, "invalid_parameters", "tiles")
