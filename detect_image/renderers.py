"""The response format of the first version of this service, for its clients."""

from typing import Any

from rest_framework.renderers import JSONRenderer


class SeedRenderer(JSONRenderer):
    """``?format=seed``: boxes in whole pixels, class ids and scores as three lists."""

    format = "seed"

    def render(self, data: Any, *args: Any, **kwargs: Any) -> bytes:
        # Problem details have the same shape in every format.
        if "detections" in data:
            found = data["detections"]
            data = {
                "box_list": [[round(value) for value in item["box"]] for item in found],
                "classId_list": [item["class_id"] for item in found],
                "score_list": [item["score"] for item in found],
            }
        return super().render(data, *args, **kwargs)
