"""Networks of keras.applications with weights files of the catalogue."""

import keras

from ml_core.catalog.formats import ModelFileError
from ml_core.catalog.specs import ModelSpec
from ml_core.networks.keras_file import adapt


def load_keras_application(spec: ModelSpec) -> keras.Model:
    """The network ``spec.family`` of keras.applications; it takes (B, H, W, 3) uint8 RGB.

    Raises ``ModelFileError`` if the weights file does not fit.
    """
    width, height = spec.input_wh
    build = getattr(keras.applications, spec.family)
    model = build(weights=None, input_shape=(height, width, 3), classes=len(spec.labels))
    path = spec.paths[0]
    try:
        model.load_weights(path)
    # Keras raises whatever a damaged file leads to.
    except Exception as exc:
        raise ModelFileError(f"{path.name} does not fit {spec.family}: {exc}") from exc
    return adapt(model, spec.input_wh, spec.input, ())
