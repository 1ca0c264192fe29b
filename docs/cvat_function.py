"""Automatic annotation in CVAT with a detector of this site; requires ``cvat-cli`` alone.

cvat-cli --server-host https://cvat.example.org task auto-annotate TASK_ID \\
    --function-file cvat_function.py -p url=str:http://127.0.0.1:8000 -p model=str:yolov3
"""

import io
import json
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import cvat_sdk.auto_annotation as cvataa
import PIL.Image

TIMEOUT_S = 60


class Detector:
    """A detection function of CVAT; labels are matched with those of the task by name."""

    def __init__(self, url: str, model: str, token: str) -> None:
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        models = [one for one in self._ask("/api/models/") if one["task"] == "detection"]
        found = [one for one in models if one["name"] == model or (not model and one["is_default"])]
        if not found:
            names = ", ".join(one["name"] for one in models if one["is_installed"])
            raise ValueError(f"Expected one of the models {names}, received {model!r}.")
        self._model = found[0]["name"]
        labels = [
            cvataa.label_spec(name, class_id, type="rectangle")
            for class_id, name in enumerate(found[0]["class_names"])
        ]
        self.spec = cvataa.DetectionFunctionSpec(labels=labels)

    def detect(self, context: Any, image: PIL.Image.Image) -> list[Any]:
        """The boxes in a picture with at least the confidence of ``context``, from 0 to 1."""
        file = io.BytesIO()
        image.convert("RGB").save(file, "PNG")
        threshold = 0.25 if context.conf_threshold is None else context.conf_threshold
        query = urlencode({"model": self._model, "score_threshold": threshold})
        answer = self._ask(f"/api/detect/image/?{query}", file.getvalue())
        return [cvataa.rectangle(one["class_id"], one["box"]) for one in answer["detections"]]

    def _ask(self, path: str, picture: bytes | None = None) -> Any:
        headers = {**self._headers, "Content-Type": "image/png"} if picture else self._headers
        request = Request(self._url + path, picture, headers)
        with urlopen(request, timeout=TIMEOUT_S) as response:
            return json.load(response)


def create(url: str = "http://127.0.0.1:8000", model: str = "", token: str = "") -> Detector:
    """The function with the parameters of ``-p``; an empty ``model`` is the site's default."""
    return Detector(url, model, token)
