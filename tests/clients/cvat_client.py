"""cvat-sdk: prints the labels and the shapes of the function file of docs/.

Arguments: FUNCTION_FILE URL TOKEN PICTURE.
"""

import json
import runpy
import sys
from types import SimpleNamespace

import PIL.Image

function_file, url, token, picture = sys.argv[1:]

function = runpy.run_path(function_file)["create"](url=url, model="toy", token=token)
context = SimpleNamespace(frame_name="a.png", conf_threshold=0.05, conv_mask_to_poly=False)
shapes = function.detect(context, PIL.Image.open(picture))
labels = [[label.name, label.id, str(label.type)] for label in function.spec.labels]
print(json.dumps([labels, [[s.label_id, str(s.type), list(s.points)] for s in shapes]]))
