"""The description of a trained classifier: a JSON file beside its weights. Needs no Keras."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

WEIGHTS_SUFFIX = ".weights.h5"
MAX_LABEL_CHARACTERS = 100
# The classifier that ships with the project.
CIFAR10_WEIGHTS = (
    Path(__file__).parent.parent
    / "shipped"
    / "resnet56v2-cifar10"
    / "resnet56v2-cifar10.weights.h5"
)


class DescriptionError(ValueError):
    """A classifier's files are missing, damaged, or do not match each other."""


@dataclass(frozen=True)
class ClassifierDescription:
    """What is needed to build the network before its weights are loaded.

    ``mean`` is the RGB mean in [0, 1] that the network subtracts; ``test_accuracy`` is in [0, 1].
    """

    name: str
    depth: int
    mean: tuple[float, float, float]
    labels: tuple[str, ...]
    test_accuracy: float


def read_description(weights_path: Path) -> ClassifierDescription:
    """Read ``NAME.json``, the description beside ``NAME.weights.h5``.

    Raises ``DescriptionError``.
    """
    path = description_path(weights_path)
    for needed in (weights_path, path):
        if not needed.is_file():
            raise DescriptionError(
                f"Expected {weights_path.name} and {path.name} side by side in "
                f"{weights_path.parent}; {needed.name} is missing. train_classifier writes both."
            )
    try:
        fields = json.loads(path.read_text(encoding="utf-8-sig"))
        mean = tuple(float(value) for value in fields["mean"])
        if len(mean) != 3:
            raise ValueError(f"expected a mean of 3 numbers, received {len(mean)}")
        labels = tuple(str(label) for label in fields["labels"])
        if not labels or any(len(label) > MAX_LABEL_CHARACTERS for label in labels):
            raise ValueError(f"expected labels of at most {MAX_LABEL_CHARACTERS} characters")
        test_accuracy = float(fields["test_accuracy"])
        if not 0 <= test_accuracy <= 1:
            raise ValueError(f"expected a test_accuracy from 0 to 1, received {test_accuracy}")
        return ClassifierDescription(
            name=str(fields["name"]),
            depth=int(fields["depth"]),
            mean=mean,
            labels=labels,
            test_accuracy=test_accuracy,
        )
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as exc:
        raise DescriptionError(f"{path} is no description of a classifier: {exc!r}") from exc


def write_description(description: ClassifierDescription, weights_path: Path) -> None:
    """Write ``description`` beside the weights."""
    text = json.dumps(asdict(description), indent=2, ensure_ascii=False)
    description_path(weights_path).write_text(text + "\n", encoding="utf-8")


def description_path(weights_path: Path) -> Path:
    """The path ``NAME.json`` for ``NAME.weights.h5``."""
    if not weights_path.name.endswith(WEIGHTS_SUFFIX):
        raise DescriptionError(f"Expected a file NAME{WEIGHTS_SUFFIX}, received {weights_path}.")
    return weights_path.with_name(weights_path.name.removesuffix(WEIGHTS_SUFFIX) + ".json")
