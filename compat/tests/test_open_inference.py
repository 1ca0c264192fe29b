"""The Open Inference Protocol: tensors in JSON and behind it."""

import json
import struct
from typing import Any

import numpy as np
import pytest

from compat.tests.dialects import open_inference
from detect_image.tests.test_api import BASE64, PICTURE

pytestmark = [pytest.mark.usefixtures("toy_detector"), pytest.mark.django_db]

URL = "/v2/models/toy/infer"


def binary_post(client, fields: dict[str, Any], behind: bytes, **headers: str) -> Any:
    text = json.dumps(fields).encode()
    headers = {"Inference-Header-Content-Length": str(len(text)), **headers}
    body = text + behind
    return client.post(URL, body, content_type="application/octet-stream", headers=headers)


def image_tensor(size: object) -> dict[str, Any]:
    parameters = {"binary_data_size": size}
    return {"name": "image", "shape": [1], "datatype": "BYTES", "parameters": parameters}


def test_the_server_tells_its_name_extension_and_health(client):
    assert client.get("/v2").json()["extensions"] == ["binary_tensor_data"]
    assert client.get("/v2/health/live").status_code == 200
    assert client.get("/v2/health/ready").status_code == 200
    assert client.get("/v2/models/toy/ready").status_code == 200


def test_a_model_has_one_version_and_an_id_may_be_empty(client):
    tensor = {"name": "image", "shape": [1], "datatype": "BYTES", "data": [BASE64]}
    body = {"id": "", "inputs": [tensor]}

    answers = [
        client.post(f"/v2/models/toy{version}/infer", body, content_type="application/json").json()
        for version in ("", "/versions/1")
    ]

    assert answers[0] == answers[1]
    assert (answers[0]["id"], answers[0]["model_version"]) == ("", "1")
    for rest in ("", "/ready"):
        assert client.get(f"/v2/models/toy/versions/1{rest}").json()["name"] == "toy"
        assert client.get(f"/v2/models/toy/versions/2{rest}").status_code == 404


def test_a_model_that_is_loading_is_not_ready(client, loading_detector):
    for path in ("/v2/health/ready", "/v2/models/toy/ready"):
        response = client.get(path)
        assert (response.status_code, [*response.json()]) == (503, ["error"])


def test_a_model_tells_its_tensors(client):
    model = client.get("/v2/models/toy").json()

    assert model["inputs"] == [{"name": "image", "datatype": "BYTES", "shape": [1]}]
    assert {one["name"]: one["shape"] for one in model["outputs"]} == {
        "boxes": [-1, 4],
        "scores": [-1],
        "class_ids": [-1],
        "labels": [-1],
    }
    assert client.get("/v2/models/unknown").status_code == 422


def test_pictures_and_outputs_may_be_behind_the_json(client):
    plain = open_inference(client).json()["outputs"]
    behind = struct.pack("<I", len(PICTURE)) + PICTURE
    fields = {"inputs": [image_tensor(len(behind))], "parameters": {"binary_data_output": True}}

    response = binary_post(client, fields, behind)

    length = int(response["Inference-Header-Content-Length"])
    outputs, rest = json.loads(response.content[:length])["outputs"], response.content[length:]
    sizes = [one["parameters"]["binary_data_size"] for one in outputs]
    boxes, scores, class_ids, labels = np.split(np.frombuffer(rest, np.uint8), np.cumsum(sizes)[:3])
    assert boxes.view("<f4").tolist() == plain[0]["data"]
    assert scores.view("<f4").tolist() == plain[1]["data"]
    assert class_ids.view("<i8").tolist() == plain[2]["data"] == [0, 1]
    assert labels.tobytes() == b"\6\0\0\0tomato\4\0\0\0plum"
    assert [one["shape"] for one in outputs] == [[2, 4], [2], [2], [2]]


def test_only_the_outputs_that_are_asked_for_are_returned(client):
    outputs = [{"name": "labels", "parameters": {"binary_data": False}}, {"name": "scores"}]

    answer = open_inference(client, outputs=outputs, id="7").json()

    assert [one["name"] for one in answer["outputs"]] == ["labels", "scores"]
    assert answer["outputs"][0]["data"] == ["tomato", "plum"]
    assert (answer["id"], answer["model_name"], answer["model_version"]) == ("7", "toy", "1")


def test_a_picture_without_objects_has_empty_tensors(client):
    parameters = {"score_threshold": 1, "binary_data_output": True}

    answer = open_inference(client, picture=b"", parameters=parameters)
    empty = open_inference(client, parameters={**parameters, "iou_threshold": 0.5})

    assert answer.status_code == 422
    assert empty.status_code == 200


@pytest.mark.parametrize(
    "tensor",
    [
        {"name": "images", "shape": [1], "datatype": "BYTES", "data": [BASE64]},
        {"name": "image", "shape": [1], "datatype": "UINT8", "data": [1]},
        {"name": "image", "shape": [2], "datatype": "BYTES", "data": [BASE64, BASE64]},
        {"name": "image", "shape": [1], "datatype": "BYTES", "data": []},
        {"name": "image", "shape": [1], "datatype": "BYTES", "data": [5]},
        {"name": "image", "shape": [1], "datatype": "BYTES"},
        image_tensor(9),
        image_tensor("many"),
        image_tensor(-1),
    ],
)
def test_wrong_tensors_are_errors_of_the_client(client, tensor):
    response = client.post(URL, {"inputs": [tensor]}, content_type="application/json")

    assert response.status_code in (400, 422)
    assert [*response.json()] == ["error"]


@pytest.mark.parametrize("behind", [b"", b"\1", struct.pack("<I", 9) + b"1234", b"\xff" * 8])
def test_wrong_binary_tensors_are_errors_of_the_client(client, behind):
    response = binary_post(client, {"inputs": [image_tensor(len(behind))]}, behind)

    assert response.status_code == 400


@pytest.mark.parametrize("length", ["-1", "x", "99999999", "9" * 30, "5"])
def test_a_wrong_length_of_the_json_is_an_error_of_the_client(client, length):
    headers = {"Inference-Header-Content-Length": length}

    assert binary_post(client, {"inputs": []}, b"", **headers).status_code == 400


def test_compressed_requests_are_refused(client):
    response = binary_post(client, {}, b"", **{"Content-Encoding": "gzip"})

    assert (response.status_code, [*response.json()]) == (415, ["error"])
