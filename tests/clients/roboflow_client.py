"""inference-sdk and supervision: prints boxes with both ways to send the key, and a class.

Arguments: URL TOKEN PICTURE.
"""

import json
import sys

import supervision
from inference_sdk import InferenceConfiguration, InferenceHTTPClient
from inference_sdk.http.errors import HTTPCallErrorError

url, token, picture = sys.argv[1:]

answers = []
for transport in ("legacy", "header"):
    client = InferenceHTTPClient(api_url=url, api_key=token)
    client.configure(
        InferenceConfiguration(
            api_key_transport=transport, confidence_threshold=0.05, iou_threshold=0.45
        )
    )
    found = supervision.Detections.from_inference(client.infer(picture, model_id="toy"))
    answers.append(
        {
            "boxes": found.xyxy.tolist(),
            "scores": found.confidence.tolist(),
            "class_ids": found.class_id.tolist(),
            "class_names": found.data["class_name"].tolist(),
        }
    )
answers.append(client.infer(picture, model_id="resnet56v2-cifar10")["top"])
try:
    client.infer(picture, model_id="unknown")
except HTTPCallErrorError as exc:
    answers.append(exc.api_message)
print(json.dumps(answers))
