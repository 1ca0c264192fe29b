"""Model files of other frameworks behind the engine: the same input, outputs in order."""

from pathlib import Path

import keras
import numpy as np
import openvino as ov
import pytest
from onnx import helper

from ml_core.catalog.formats import InputFormat, ModelFileError, OutputFormat
from ml_core.catalog.specs import ModelFile, ModelSpec
from ml_core.engines import load_engine
from ml_core.networks.preprocessing import preprocess_array
from ml_core.tests.model_files import echo_onnx, write_onnx

WIDTH, HEIGHT = 6, 4
PICTURE = np.random.default_rng(0).integers(0, 256, (1, HEIGHT, WIDTH, 3), dtype=np.uint8)

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
GREY = PICTURE.astype(np.float32) @ np.array([[0.299], [0.587], [0.114]], np.float32)
# Input formats, and the values that they make of the picture.
INPUTS = {
    "as it is": (InputFormat(), PICTURE),
    "0 to 1": (InputFormat(value_range=(0, 1)), PICTURE / 255),
    "-1 to 1": (InputFormat(value_range=(-1, 1)), PICTURE / 127.5 - 1),
    "ImageNet": (InputFormat(value_range=(0, 1), mean=MEAN, std=STD), (PICTURE / 255 - MEAN) / STD),
    "BGR": (InputFormat(colours="BGR"), PICTURE[..., ::-1]),
    "grey": (InputFormat(colours="grey", value_range=(0, 1)), GREY / 255),
}


def make_spec(path: Path, format: str, **values: object) -> ModelSpec:
    return ModelSpec(
        name="own",
        task="classification",
        family="test",
        directory=path.parent,
        format=format,
        files=values.pop("files", (ModelFile(path.name),)),
        input_wh=values.pop("input_wh", (WIDTH, HEIGHT)),
        resizing="stretch",
        **{"output": OutputFormat("classes"), **values},
    )


def outputs(spec: ModelSpec, kind: str, folder: Path, batch: np.ndarray = PICTURE) -> list:
    engine = load_engine(spec, kind=kind, precision="float32", cache_dir=folder / "converted")
    return engine.outputs(batch)


@pytest.mark.parametrize("name", INPUTS)
@pytest.mark.parametrize("axes", ["NHWC", "NCHW"])
def test_an_onnx_network_gets_the_values_it_was_trained_on(tmp_path, name, axes):
    input_format, values = INPUTS[name]
    channels = values.shape[-1]
    shape = [1, HEIGHT, WIDTH, channels] if axes == "NHWC" else [None, channels, None, None]
    path = echo_onnx(tmp_path / "net.onnx", shape)
    input_format = InputFormat(**{**vars(input_format), "axes": axes})

    (given,) = outputs(make_spec(path, "onnx", input=input_format), "auto", tmp_path)

    expected = values if axes == "NHWC" else values.transpose(0, 3, 1, 2)
    np.testing.assert_allclose(given[0], expected.ravel(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", INPUTS)
@pytest.mark.parametrize("axes", ["NHWC", "NCHW"])
def test_other_servers_get_the_values_that_a_network_was_trained_on(name, axes):
    input_format, values = INPUTS[name]
    input_format = InputFormat(**{**vars(input_format), "axes": axes})

    given = preprocess_array(PICTURE, input_format, np.float32)

    expected = values if axes == "NHWC" else values.transpose(0, 3, 1, 2)
    assert given.dtype == np.float32
    np.testing.assert_allclose(given.ravel(), expected.ravel(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("dtype", "first"), [(np.uint8, 0), (np.int8, -128)])
def test_other_servers_with_integer_inputs_get_the_pixels(dtype, first):
    given = preprocess_array(PICTURE, InputFormat(value_range=(0, 1)), dtype)

    assert given.dtype == dtype
    np.testing.assert_array_equal(given.astype(int), PICTURE.astype(int) + first)


def test_an_input_without_a_batch_axis_and_of_bytes_is_filled_as_well(tmp_path):
    path = echo_onnx(tmp_path / "net.onnx", [3, HEIGHT, WIDTH], "uint8")
    spec = make_spec(path, "onnx", input=InputFormat(axes="NCHW", value_range=(0, 1)))

    (given,) = outputs(spec, "openvino", tmp_path)

    np.testing.assert_array_equal(given.ravel(), PICTURE[0].transpose(2, 0, 1).ravel())


def test_outputs_are_in_the_order_of_the_decoder_and_picture_sizes_are_filled_in(tmp_path):
    path = write_onnx(
        tmp_path / "net.onnx",
        [
            helper.make_node("GlobalAveragePool", ["image"], ["mean"]),
            helper.make_node("Identity", ["orig_target_sizes"], ["sizes"]),
        ],
        {
            "image": ("float32", ["batch", 3, HEIGHT, WIDTH]),
            "orig_target_sizes": ("int64", ["batch", 2]),
        },
        {"mean": ("float32", ["batch", 3, 1, 1]), "sizes": ("int64", ["batch", 2])},
    )
    spec = make_spec(
        path,
        "onnx",
        input=InputFormat(axes="NCHW"),
        output=OutputFormat("classes", tensors=("sizes", "mean")),
    )

    sizes, mean = outputs(spec, "openvino", tmp_path)

    assert sizes.tolist() == [[WIDTH, HEIGHT]]
    np.testing.assert_allclose(mean.ravel(), PICTURE.mean((0, 1, 2)), rtol=1e-5)


def test_openvino_ir_is_read(tmp_path):
    network = ov.Core().read_model(echo_onnx(tmp_path / "net.onnx", [1, HEIGHT, WIDTH, 3]))
    ov.save_model(network, tmp_path / "net.xml")
    files = (ModelFile("net.xml"), ModelFile("net.bin"))

    (given,) = outputs(make_spec(tmp_path / "net.xml", "openvino", files=files), "auto", tmp_path)

    np.testing.assert_array_equal(given.ravel(), PICTURE.ravel())


@pytest.fixture(scope="module")
def keras_path(tmp_path_factory) -> Path:
    """A network with two outputs: the mean colour, and the flattened input."""
    image = keras.Input((None, None, 3))
    mean = keras.layers.GlobalAveragePooling2D(name="mean")(image)
    largest = keras.layers.GlobalMaxPooling2D(name="largest")(image)
    path = tmp_path_factory.mktemp("keras") / "net.keras"
    keras.Model(image, [mean, largest]).save(path)
    return path


@pytest.mark.parametrize("kind", ["openvino", "tensorflow"])
def test_a_keras_file_is_run_by_both_engines(keras_path, tmp_path, kind):
    spec = make_spec(
        keras_path,
        "keras",
        input=InputFormat(colours="BGR", value_range=(0, 1)),
        output=OutputFormat("classes", tensors=("largest", "mean")),
    )

    largest, mean = outputs(spec, kind, tmp_path)

    values = PICTURE[0, ..., ::-1] / 255
    np.testing.assert_allclose(largest[0], values.max((0, 1)), rtol=1e-5)
    np.testing.assert_allclose(mean[0], values.mean((0, 1)), rtol=1e-5)


def test_a_saved_model_is_read(keras_path, tmp_path):
    keras.models.load_model(keras_path).export(tmp_path / "net", verbose=False)
    names = [p.relative_to(tmp_path / "net") for p in (tmp_path / "net").rglob("*") if p.is_file()]
    files = tuple(ModelFile(name.as_posix()) for name in sorted(names, key=lambda n: len(n.parts)))
    spec = make_spec(tmp_path / "net" / "saved_model.pb", "savedmodel", files=files)

    found = outputs(spec, "auto", tmp_path)

    np.testing.assert_allclose(sorted(map(np.size, found)), [3, 3])


def test_a_quantized_tflite_network_returns_probabilities(shared_dir, tmp_path, converted_dir):
    path = shared_dir / "models" / "own" / "mobilenet_v2_1.0_224_quant.tflite"
    spec = make_spec(path, "tflite", input_wh=(224, 224))
    grey = np.full((1, 224, 224, 3), 128, np.uint8)

    engine = load_engine(spec, kind="auto", precision="float32", cache_dir=converted_dir)

    (probabilities,) = engine.outputs(grey)
    assert probabilities.shape == (1, 1001)
    assert probabilities.sum() == pytest.approx(1, abs=0.02)


def test_an_output_that_the_file_lacks_is_an_error(tmp_path):
    path = echo_onnx(tmp_path / "net.onnx", [1, HEIGHT, WIDTH, 3])
    spec = make_spec(path, "onnx", output=OutputFormat("classes", tensors=("boxes",)))

    with pytest.raises(ModelFileError, match="no output boxes; it has: values"):
        outputs(spec, "openvino", tmp_path)
