"""deepstack-python: prints the detections, and the models. Arguments: PORT TOKEN PICTURE."""

import json
import sys

from deepstack.core import DeepstackException, DeepstackObject

port, token, picture = sys.argv[1:]


def detect(data: bytes, **options: str) -> list[dict]:
    options = {"api_key": token, **options}
    return DeepstackObject("127.0.0.1", int(port), min_confidence=0.05, **options).detect(data)


with open(picture, "rb") as file:
    data = file.read()
try:
    detect(data, api_key="wrong")
except DeepstackException as exc:
    error = str(exc)
print(json.dumps([detect(data), detect(data, custom_model="toy"), error]))
