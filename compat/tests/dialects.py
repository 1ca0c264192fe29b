"""Requests in each dialect, and what its answers say in the site's own terms."""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client, override_settings

from accounts.tokens import create_token
from compat.tests.stand_in_label_studio import LABEL_STUDIO_TOKEN, stand_in_label_studio
from detect_image.tests.test_api import PICTURE

Found = list[tuple[str, float, list[float]]]


def as_form(client: Client, path: str, picture: bytes, key: str) -> Any:
    return client.post(path, {"image": SimpleUploadedFile("a", picture), "api_key": key})


def deepstack(client: Client, picture: bytes = PICTURE, key: str = "") -> Any:
    return as_form(client, "/v1/vision/detection", picture, key)


def deepstack_found(answer: dict) -> Found:
    sides = ("x_min", "y_min", "x_max", "y_max")
    return [
        (one["label"], one["confidence"], [one[side] for side in sides])
        for one in answer["predictions"]
    ]


def doods(client: Client, picture: bytes = PICTURE, key: str = "", **fields: Any) -> Any:
    body = {"data": base64.b64encode(picture).decode(), "detect": {"*": 5}, **fields}
    headers = {"doods-auth-key": key} if key else {}
    return client.post("/detect", body, content_type="application/json", headers=headers)


def doods_found(answer: dict, side: int = 960) -> Found:
    sides = ("left", "top", "right", "bottom")
    return [
        (one["label"], one["confidence"] / 100, [one[name] * side for name in sides])
        for one in answer["detections"]
    ]


def roboflow(client: Client, picture: bytes = PICTURE, key: str = "", **fields: Any) -> Any:
    image = {"type": "base64", "value": base64.b64encode(picture).decode()}
    body = {"api_key": key or None, "model_id": "toy", "image": image, **fields}
    return client.post("/infer/object_detection", body, content_type="application/json")


def roboflow_found(answer: dict) -> Found:
    found = []
    for one in answer["predictions"]:
        x, y, width, height = (one[name] for name in ("x", "y", "width", "height"))
        box = [x - width / 2, y - height / 2, x + width / 2, y + height / 2]
        found.append((one["class"], one["confidence"], box))
    return found


def open_inference(client: Client, picture: bytes = PICTURE, key: str = "", **fields: Any) -> Any:
    data = [base64.b64encode(picture).decode()]
    tensor = {"name": "image", "shape": [1], "datatype": "BYTES", "data": data}
    headers = {"authorization": f"Bearer {key}"} if key else {}
    body = {"inputs": [tensor], **fields}
    path = "/v2/models/toy/infer"
    return client.post(path, body, content_type="application/json", headers=headers)


def open_inference_found(answer: dict) -> Found:
    data = {one["name"]: one["data"] for one in answer["outputs"]}
    boxes = [data["boxes"][start : start + 4] for start in range(0, len(data["boxes"]), 4)]
    return [*zip(data["labels"], data["scores"], boxes, strict=True)]


LABEL_CONFIG = """
<View>
  <Image name="picture" value="$photo"/>
  <RectangleLabels name="box" toName="picture">
    <Label value="tomato"/>
    <Label value="plum"/>
  </RectangleLabels>
</View>
"""


def label_studio(
    client: Client, picture: bytes = PICTURE, key: str | None = None, **fields: Any
) -> Any:
    """Predict with ``key``, or with a new token: without one nothing is predicted."""
    if key is None:
        user, _ = User.objects.get_or_create(username="annotator")
        key = create_token(user, f"label-studio {user.api_tokens.count()}")[1]
    credentials = base64.b64encode(f"vision:{key}".encode()).decode()
    headers = {"authorization": f"Basic {credentials}"} if key else {}
    body = {"tasks": [{"id": 1, "data": {"photo": "/data/upload/1/a.png"}}]}
    body |= {"label_config": LABEL_CONFIG, **fields}
    with (
        stand_in_label_studio({"/data/upload/1/a.png": picture}) as url,
        override_settings(LABEL_STUDIO_URL=url, LABEL_STUDIO_TOKEN=LABEL_STUDIO_TOKEN),
    ):
        return client.post("/predict", body, content_type="application/json", headers=headers)


def label_studio_found(answer: dict) -> Found:
    found = []
    for one in answer["results"][0]["result"]:
        value, width, height = one["value"], one["original_width"], one["original_height"]
        x_min, y_min = value["x"] * width / 100, value["y"] * height / 100
        x_max = x_min + value["width"] * width / 100
        y_max = y_min + value["height"] * height / 100
        box = [x_min, y_min, x_max, y_max]
        found.append((value["rectanglelabels"][0], one["score"], box))
    return found


@dataclass(frozen=True)
class Dialect:
    """How to detect with a key, what the answer says, and the shape of errors."""

    detect: Callable[..., Any]
    found: Callable[[dict], Found]
    error: Callable[[int, str], dict]


DIALECTS = {
    "deepstack": Dialect(
        deepstack,
        deepstack_found,
        lambda status, text: {"success": False, "error": text, "code": status},
    ),
    "doods": Dialect(doods, doods_found, lambda status, text: {"error": text}),
    "open-inference": Dialect(
        open_inference, open_inference_found, lambda status, text: {"error": text}
    ),
    "label-studio": Dialect(label_studio, label_studio_found, lambda status, text: {"error": text}),
    "roboflow": Dialect(roboflow, roboflow_found, lambda status, text: {"message": text}),
}
