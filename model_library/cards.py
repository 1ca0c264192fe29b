"""What the models page shows of each model."""

from dataclasses import dataclass

from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop

from ml_core import model_pool
from ml_core.catalog import selection
from ml_core.catalog.specs import ModelSpec
from ml_core.choices import choices
from ml_core.models import ModelChoice
from model_library import services
from model_library.fields import DESCRIPTION, BoundField
from model_library.models import Kind, ModelJob, State

# Values of model specs that the page translates.
gettext_noop("detection")
gettext_noop("classification")
gettext_noop("public domain")
gettext_noop("YOLO License (unrestricted)")
gettext_noop("part of this project")
gettext_noop(
    "trained on 11,792 photos labelled by yolo-fastest-1.1-xl; mAP@0.5 measured on coco128"
)
gettext_noop("your own")
gettext_noop("unknown")
# Subjects of what was understood of a model.
gettext_noop("task")
gettext_noop("labels")
gettext_noop("input")
gettext_noop("pixels")
gettext_noop("resizing")
gettext_noop("output")
gettext_noop("check")
RESIZING_TEXTS = {
    "letterbox": _("aspect ratio kept, grey around it (letterbox)"),
    "stretch": _("stretched"),
    "shrink": _("stretched, all pixels averaged (shrink)"),
}


@dataclass(frozen=True)
class ModelCard:
    """A model, its state in this process, and what the staff chose for it."""

    spec: ModelSpec
    choice: ModelChoice
    state: str
    is_default: bool
    is_deletable: bool
    sharing: tuple[str, ...]
    # A job that installs or measures it, or failed to.
    job: ModelJob | None
    # Whether the staff may correct or write its description.
    is_describable: bool

    @property
    def resizing_text(self) -> str:
        """How pictures get the model's input size."""
        return str(RESIZING_TEXTS[self.spec.resizing])

    @property
    def is_shown_first(self) -> bool:
        """Whether it is installed, or would be if it had no problem."""
        return self.spec.is_installed or bool(self.spec.problem)

    @property
    def is_usable(self) -> bool:
        return self.spec.is_usable and (self.choice.is_enabled or self.is_default)

    @property
    def problem(self) -> str:
        """Why it cannot be used, from its description or from loading it."""
        return self.spec.problem or model_pool.failure_in(self.state)

    @property
    def try_url(self) -> str:
        """The page that uses this model; empty if there is none."""
        if not self.is_usable or self.problem:
            return ""
        pages = {"detection": "detect_image:picture", "classification": "classify:stage"}
        return f"{reverse(pages[self.spec.task])}?{urlencode({'model': self.spec.name})}"

    @property
    def is_installable(self) -> bool:
        """Whether it can be downloaded now."""
        return not self.spec.is_installed and all(file.urls for file in self.spec.files)

    @property
    def description_fields(self) -> list[BoundField]:
        """The fields of its ``model.toml``, with their values."""
        values = services.description(self.spec)
        return [
            field.with_value(values)
            for field in DESCRIPTION
            if not values or "." not in field.name or field.name.split(".")[0] in values
        ]


def model_cards() -> list[ModelCard]:
    """A card for each known model, the defaults first."""
    rows = choices()
    defaults = selection.default_models()
    # Now without those that were changed meanwhile.
    states = model_pool.loaded_models()
    known = selection.models()
    shown = ModelJob.objects.exclude(kind=Kind.ADD).filter(state__in=(State.RUNNING, State.FAILED))
    jobs_of = {job.model: job for job in shown}
    cards = [
        ModelCard(
            spec=spec,
            choice=rows.get(name) or ModelChoice(name=name),
            state=states.get(name, ""),
            is_default=spec in defaults,
            is_deletable=services.is_deletable(spec),
            sharing=tuple(services.sharing_models(spec, known)),
            job=jobs_of.get(name),
            is_describable=services.is_describable(spec),
        )
        for name, spec in known.items()
    ]
    return sorted(cards, key=lambda card: not card.is_default)
