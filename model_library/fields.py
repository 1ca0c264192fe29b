"""The fields of the forms about a model: what a person knows of it, and its ``model.toml``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from django.utils.translation import gettext_lazy as _

from ml_core.catalog.formats import Activation, AxisOrder, BoxUnit, Colours
from ml_core.catalog.model_toml import FORMATS, POSITIONS
from ml_core.catalog.specs import Resizing, Task
from ml_core.decoders import LAYOUTS
from ml_core.inspection.answers import RESIZINGS


@dataclass(frozen=True)
class Field:
    """A field of a form; ``name`` has a dot where the value belongs to a table.

    ``kind`` is the type of the value: text, choice, number, numbers, flag, or lines (a list).
    """

    name: str
    label: Any
    kind: str = "text"
    choices: Sequence[str] = ()
    hint: Any = ""

    def with_value(self, values: Mapping[str, Any]) -> "BoundField":
        """The field with its value among ``values``, as text."""
        value: Any = values
        for key in self.name.split("."):
            value = value.get(key) if isinstance(value, Mapping) else None
        return BoundField(self, _text(value))


@dataclass(frozen=True)
class BoundField:
    """A field and the text of its value."""

    field: Field
    value: str


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        separator = "\n" if all(isinstance(item, str) for item in value) else " "
        return separator.join(map(_text, value))
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        # All of its digits, as the form is sent back whole.
        return short if float(short := f"{value:g}") == value else repr(value)
    return str(value)


LAYOUT_NAMES = tuple(LAYOUTS)
# What a person knows better than the files, by the options of ``manage.py add_model``.
ANSWERS = (
    Field("name", _("Name"), hint=_("letters, digits, '.', '_' and '-'")),
    Field("labels", _("Class names"), "lines", hint=_("one per line, or as a .txt file")),
    Field("task", _("Task"), "choice", get_args(Task)),
    Field("size", _("Input size"), "numbers", hint=_("width and height in pixels")),
    Field("colours", _("Colours"), "choice", get_args(Colours)),
    Field("range", _("Value range"), "numbers", hint=_("what 0 and 255 become, such as 0 1")),
    Field("mean", _("Mean"), "numbers", hint=_("is subtracted after that")),
    Field("std", _("Deviation"), "numbers", hint=_("is divided by then")),
    Field("resizing", _("Resizing"), "choice", RESIZINGS),
    Field("layout", _("Output layout"), "choice", LAYOUT_NAMES),
    Field("activation", _("Activation to apply"), "choice", get_args(Activation)),
    Field("licence", _("Licence")),
    Field("origin", _("Origin"), hint=_("https://…")),
)
# The keys of ``model.toml``.
DESCRIPTION = (
    Field("task", _("Task"), "choice", get_args(Task)),
    Field("format", _("Format"), "choice", FORMATS),
    Field("files", _("Files"), "lines"),
    Field("labels", _("Class names"), "lines", hint=_("one per line")),
    Field("licence", _("Licence")),
    Field("origin", _("Origin"), hint=_("https://…")),
    Field("accuracy_percent", _("Accuracy in percent"), "number"),
    Field("input.size", _("Input size"), "numbers", hint=_("width and height in pixels")),
    Field("input.resizing", _("Resizing"), "choice", get_args(Resizing)),
    Field("input.position", _("Position when letterboxed"), "choice", POSITIONS),
    Field("input.pad_value", _("Grey around it"), "number", hint=_("0 to 255")),
    Field("input.axes", _("Order of axes"), "choice", get_args(AxisOrder)),
    Field("input.colours", _("Colours"), "choice", get_args(Colours)),
    Field("input.range", _("Value range"), "numbers", hint=_("what 0 and 255 become, such as 0 1")),
    Field("input.mean", _("Mean"), "numbers", hint=_("is subtracted after that")),
    Field("input.std", _("Deviation"), "numbers", hint=_("is divided by then")),
    Field("output.layout", _("Output layout"), "choice", ("classes", *LAYOUT_NAMES)),
    Field("output.tensors", _("Names of the outputs"), "lines"),
    Field("output.activation", _("Activation to apply"), "choice", get_args(Activation)),
    Field("output.boxes", _("Unit of the boxes"), "choice", get_args(BoxUnit)),
    Field("output.first_class_id", _("Number of the first class"), "number"),
    Field("output.sparse_coco_ids", _("91 category ids of COCO"), "flag"),
)
