"""What a user says about a model, and what was understood so far."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ml_core.catalog.formats import Activation, Colours
from ml_core.catalog.specs import ModelSpec, Resizing, Task
from ml_core.decoders.layout import Size
from ml_core.errors import Phrase
from ml_core.inspection.reading.facts import Facts

AS_YOU_SAY = Phrase("as you say")
SAYS_METADATA = Phrase("says its metadata")
# "letterbox" is centred.
RESIZINGS = ("letterbox", "top-left", "stretch", "shrink")


@dataclass(frozen=True)
class Answers:
    """What the user says about the model, each of which goes before what the file says."""

    task: Task | None = None
    input_wh: Size | None = None
    colours: Colours | None = None
    value_range: tuple[float, float] | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    resizing: Resizing | None = None
    is_centred: bool | None = None
    layout: str = ""
    activation: Activation | None = None
    labels: tuple[str, ...] | None = None


def answers_from(options: Mapping[str, Any]) -> Answers:
    """The answers of a person, by the names of the options of ``manage.py add_model``.

    ``size`` is (width, height), ``labels`` are class names, and ``resizing`` is one of
    ``RESIZINGS``. Options that are missing or empty are not answered.
    """
    given = {name: value for name, value in options.items() if value}
    numbers = {name: tuple(given[name]) for name in ("mean", "std") if name in given}
    low_high = tuple(given["range"]) if "range" in given else None
    resizing = given.get("resizing")
    return Answers(
        task=given.get("task"),
        input_wh=tuple(given["size"]) if "size" in given else None,
        colours=given.get("colours"),
        value_range=low_high,
        mean=numbers.get("mean"),
        std=numbers.get("std"),
        resizing="letterbox" if resizing == "top-left" else resizing,
        is_centred={"letterbox": True, "top-left": False}.get(resizing or ""),
        layout=given.get("layout", ""),
        activation=given.get("activation"),
        labels=tuple(given["labels"]) if "labels" in given else None,
    )


@dataclass(frozen=True)
class Note:
    """One thing that was understood, and why; ``option`` settles it where it is a guess."""

    subject: str
    text: Phrase
    reason: Phrase
    option: str = ""

    def __str__(self) -> str:
        guess = f". This is a guess: {self.option} settles it" if self.option else ""
        return f"{self.subject:<9} {self.text} ({self.reason}{guess})"


@dataclass
class Understanding:
    """A model's description while it is worked out; ``notes`` are its reasons."""

    spec: ModelSpec
    facts: Facts
    answers: Answers
    notes: list[Note] = field(default_factory=list)

    @property
    def has_labels(self) -> bool:
        """Whether the file or the user names the classes."""
        return not any(note.subject == "labels" and note.option for note in self.notes)

    def settle(self, subject: str, text: Phrase, reason: Phrase) -> None:
        """Replace what was noted about ``subject``: it is no guess any more."""
        self.notes = [note for note in self.notes if note.subject != subject]
        self.note(subject, text, reason)

    def note(self, subject: str, text: Phrase, reason: Phrase, option: str = "") -> None:
        self.notes.append(Note(subject, text, reason, option))


def listing(labels: Sequence[str]) -> Phrase:
    """The number of class names, and the first ones."""
    names = ", ".join(labels[:3])
    more = ", ..." if len(labels) > 3 else ""
    return Phrase("{count:,}: {names}", count=len(labels), names=names + more)
