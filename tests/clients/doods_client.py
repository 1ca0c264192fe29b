"""pydoods: prints the detectors and the detections. Arguments: URL TOKEN PICTURE."""

import json
import sys

from pydoods import PyDOODS

url, token, picture = sys.argv[1:]

client = PyDOODS(url, auth_key=token)
with open(picture, "rb") as file:
    found = client.detect(file.read(), {"*": 5})
print(json.dumps([client.get_detectors(), found]))
