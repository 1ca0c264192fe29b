"""The configuration of a Keras file is checked before Keras opens it."""

import json
import zipfile
from pathlib import Path

import pytest

from ml_core.catalog.formats import ModelFileError
from ml_core.networks.keras_archive import check_keras_file

OWN_LOSS = {"module": "losses", "class_name": "OwnLoss", "registered_name": "Custom>OwnLoss"}


def model(name: str = "net", **changes: object) -> dict[str, object]:
    """A model without layers, as Keras describes it."""
    return {
        "module": "keras",
        "class_name": "Sequential",
        "config": {"name": name, "layers": []},
        "registered_name": None,
        **changes,
    }


def written(path: Path, config: dict[str, object]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps(config))
    return path


def test_a_loss_of_the_author_does_not_matter(tmp_path):
    path = written(tmp_path / "net.keras", model(compile_config={"loss": OWN_LOSS}))

    assert check_keras_file(path)["class_name"] == "Sequential"


def test_a_loss_in_a_nested_model_would_be_built_and_is_refused(tmp_path):
    nested = model("inner", compile_config={"loss": OWN_LOSS})
    path = written(tmp_path / "net.keras", model(config={"name": "net", "layers": [nested]}))

    with pytest.raises(ModelFileError, match="OwnLoss comes from 'losses'"):
        check_keras_file(path)


@pytest.mark.parametrize("value", [[], {}, 7, None])
def test_names_of_other_types_are_no_classes(tmp_path, value):
    layer = {"class_name": value, "registered_name": value, "config": {}}

    check_keras_file(written(tmp_path / "net.keras", model(config={"layers": [layer]})))
