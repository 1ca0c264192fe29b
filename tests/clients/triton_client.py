"""tritonclient: prints the outputs, sent as binary data and as JSON.

Arguments: HOST TOKEN PICTURE.
"""

import base64
import json
import sys

import numpy as np
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

host, token, picture = sys.argv[1:]
headers = {"Authorization": f"Bearer {token}"}

client = triton.InferenceServerClient(host)
is_ready = [
    client.is_server_live(headers),
    client.is_server_ready(headers),
    client.is_model_ready("toy", headers=headers),
]
with open(picture, "rb") as file:
    data = file.read()
answers = []
for is_binary in (True, False):
    element = data if is_binary else base64.b64encode(data)
    image = triton.InferInput("image", [1], "BYTES")
    image.set_data_from_numpy(np.array([element], dtype=np.object_), binary_data=is_binary)
    names = ("boxes", "scores", "class_ids", "labels")
    outputs = [triton.InferRequestedOutput(name, binary_data=is_binary) for name in names]
    result = client.infer(
        "toy",
        [image],
        outputs=None if is_binary else outputs,
        request_id="1",
        # The client adds to it.
        headers={**headers},
    )
    arrays = {name: result.as_numpy(name).tolist() for name in names}
    if is_binary:
        arrays["labels"] = [label.decode() for label in arrays["labels"]]
    answers.append(arrays)
try:
    client.get_model_metadata("unknown", headers=headers)
except InferenceServerException as exc:
    error = exc.message()
print(json.dumps([is_ready, client.get_model_metadata("toy", headers=headers), answers, error]))
