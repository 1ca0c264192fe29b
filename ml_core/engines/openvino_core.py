"""OpenVINO's core, of which a process needs exactly one.

Where every model had a core of its own, one of some hundred models that were freed crashed the
process, if several threads had used it (OpenVINO 2026.4).
"""

import numpy as np
import openvino as ov

CORE = ov.Core()

# The binding initialises itself at the first access to a tensor's data. Two threads that do so at
# the same time deadlock with the GIL held. Here it happens once, at import.
ov.Tensor(np.zeros(1, np.uint8)).data  # noqa: B018
