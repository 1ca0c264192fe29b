"""The wire shapes of jobs, and of changes to models."""

from typing import Any, get_args

from django.urls import reverse
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from ml_core.catalog.specs import Task
from ml_core.decoders import LAYOUTS
from ml_core.inspection.answers import RESIZINGS
from model_library.models import Kind, ModelJob, State
from model_library.uploads import FILE_NAME, MAX_FILES, MAX_NAME_BYTES
from web.problem_texts import shown_detail


class ChangeSerializer(serializers.Serializer):
    """Changes to a model; what is missing stays."""

    is_default = serializers.BooleanField(
        required=False, help_text="true makes it the default; choose another one to undo that"
    )
    is_enabled = serializers.BooleanField(
        required=False, help_text="whether it is offered and found"
    )
    is_preloaded = serializers.BooleanField(
        required=False, help_text="whether it is loaded with the server and stays loaded"
    )

    def validate_is_default(self, is_default: bool) -> bool:
        if not is_default:
            raise serializers.ValidationError("Expected true: choose another default model.")
        return is_default


class ChoiceSerializer(serializers.Serializer):
    """What the staff chose for a model, and what was measured of it on this server."""

    name = serializers.CharField()
    is_enabled = serializers.BooleanField()
    is_preloaded = serializers.BooleanField()
    inference_ms = serializers.FloatField(
        allow_null=True, help_text="median of ten inferences; null if not measured"
    )
    accuracy_percent = serializers.FloatField(
        allow_null=True, help_text="in the metric of its task; null if not measured here"
    )
    accuracy_pictures = serializers.IntegerField(help_text="number of pictures it was measured on")
    accuracy_set = serializers.CharField(help_text="name of the archive that held them")


class FileSerializer(serializers.Serializer):
    """A file to upload."""

    name = serializers.RegexField(FILE_NAME, max_length=MAX_NAME_BYTES)
    size_bytes = serializers.IntegerField(min_value=1)
    is_labelled_set = serializers.BooleanField(
        default=False,
        help_text="whether it is a .zip archive of labelled pictures, with which the value range "
        "and the order of colours of a model to add are chosen",
    )

    def validate_name(self, name: str) -> str:
        count = len(name.encode())
        if count > MAX_NAME_BYTES:
            raise serializers.ValidationError(
                f"Expected a name of at most {MAX_NAME_BYTES} bytes in UTF-8, received {count}. "
                "Rename the file."
            )
        return name


class PerChannelField(serializers.ListField):
    """One number per channel: three, or one for a grey picture; nothing is no answer."""

    child = serializers.FloatField()

    def to_internal_value(self, data: Any) -> list[float]:
        numbers = super().to_internal_value(data)
        if len(numbers) not in (0, 1, 3):
            raise serializers.ValidationError(
                f"Expected one number per channel (3, or 1 for grey), received {len(numbers)}."
            )
        return numbers


def _choice(choices: Any, help_text: str) -> serializers.ChoiceField:
    return serializers.ChoiceField(
        [*choices],
        required=False,
        allow_blank=True,
        help_text=help_text,
        error_messages={"invalid_choice": "{input!r} is not a valid choice."},
    )


class AnswersSerializer(serializers.Serializer):
    """What a person knows better than the files; what is missing or empty is understood."""

    name = serializers.CharField(required=False, allow_blank=True, max_length=60)
    licence = serializers.CharField(required=False, allow_blank=True, max_length=200)
    origin = serializers.URLField(required=False, allow_blank=True, max_length=500)
    labels = serializers.ListField(
        child=serializers.CharField(max_length=1000),
        required=False,
        max_length=100_000,
        help_text="class names",
    )
    task = _choice(get_args(Task), "what the model does")
    size = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=4096),
        required=False,
        help_text="width and height of the input, or nothing",
    )
    colours = _choice(("RGB", "BGR", "grey"), "order of the channels")
    range = serializers.ListField(
        child=serializers.FloatField(),
        required=False,
        help_text="what pixels of 0 and 255 become, or nothing",
    )
    mean = PerChannelField(required=False, help_text="is subtracted after range")
    std = PerChannelField(required=False, help_text="is then divided by")
    resizing = _choice(RESIZINGS, "letterbox is centred")
    layout = _choice(LAYOUTS, "layout of the outputs of a detector")
    activation = _choice(("none", "softmax", "sigmoid"), "is applied to class scores")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in attrs.items() if value not in ("", [])}

    def validate_size(self, size: list[int]) -> list[int]:
        return _pair(size, "a width and a height")

    def validate_range(self, range: list[float]) -> list[float]:
        return _pair(range, "two numbers")

    def validate_std(self, std: list[float]) -> list[float]:
        if 0 in std:
            raise serializers.ValidationError("Expected numbers other than 0.")
        return std


def _is_zip(name: str) -> bool:
    return name.lower().endswith(".zip")


def _pair(numbers: list, expected: str) -> list:
    if len(numbers) not in (0, 2):
        raise serializers.ValidationError(f"Expected {expected}, received {len(numbers)} numbers.")
    return numbers


class ModelAnnouncementSerializer(serializers.Serializer):
    """An upload: of a model to add, or of labelled pictures to measure a model with."""

    kind = serializers.ChoiceField([Kind.ADD, Kind.MEASURE])
    model = serializers.CharField(
        required=False, default="", allow_blank=True, max_length=255, help_text="the one to measure"
    )
    files = FileSerializer(many=True)
    answers = AnswersSerializer(
        required=False, help_text="about a model to add; so they are checked before the upload"
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        names = [file["name"].lower() for file in attrs["files"]]
        if not 1 <= len(names) <= MAX_FILES:
            raise serializers.ValidationError(
                {"files": f"Expected 1 to {MAX_FILES} files, received {len(names)}."}
            )
        if len(set(names)) < len(names):
            raise serializers.ValidationError({"files": "Expected files with different names."})
        sets = [file["name"].lower() for file in attrs["files"] if file["is_labelled_set"]]
        if len(sets) > 1 or len(sets) == len(names) or not all(map(_is_zip, sets)):
            raise serializers.ValidationError(
                {
                    "files": "Expected the files of a model, and at most one .zip archive of "
                    "labelled pictures."
                }
            )
        if attrs["kind"] == Kind.MEASURE:
            if len(names) != 1 or not _is_zip(names[0]):
                raise serializers.ValidationError(
                    {"files": "Expected one .zip archive of labelled pictures."}
                )
            if not attrs["model"]:
                raise serializers.ValidationError({"model": "Expected the model to measure."})
        return attrs


class UploadedFileSerializer(serializers.Serializer):
    """A file of an upload, and where its chunks are sent."""

    name = serializers.CharField()
    size_bytes = serializers.IntegerField()
    is_labelled_set = serializers.BooleanField()
    url = serializers.CharField()


class ModelJobSerializer(serializers.Serializer):
    """A job: its state, progress and outcome."""

    id = serializers.UUIDField()
    url = serializers.SerializerMethodField()
    kind = serializers.ChoiceField(Kind.choices)
    model = serializers.CharField(help_text="the model that is installed, measured, or was added")
    state = serializers.ChoiceField(State.choices)
    files = serializers.SerializerMethodField()
    done = serializers.IntegerField(help_text="bytes or inferences")
    total = serializers.IntegerField(help_text="bytes or inferences; 0 while it is unknown")
    result = serializers.SerializerMethodField(help_text="what was understood or measured")
    sample_url = serializers.SerializerMethodField(
        help_text="the sample picture with the boxes that were found, or empty"
    )
    error_code = serializers.CharField()
    error = serializers.SerializerMethodField(help_text="why it failed, or empty")

    def get_url(self, job: ModelJob) -> str:
        return reverse("model_library:job", args=[job.pk])

    @extend_schema_field(UploadedFileSerializer(many=True))
    def get_files(self, job: ModelJob) -> list[dict[str, Any]]:
        return [
            {**file, "url": reverse("model_library:chunks", args=[job.pk, number])}
            for number, file in enumerate(job.files)
        ]

    def get_result(self, job: ModelJob) -> dict[str, Any]:
        if "notes" not in job.result:
            return job.result
        return {**job.result, "notes": job.notes}

    def get_sample_url(self, job: ModelJob) -> str:
        has_boxes = "detections" in job.result and job.state == State.UNDERSTOOD
        return reverse("model_library:sample", args=[job.pk]) if has_boxes else ""

    def get_error(self, job: ModelJob) -> str:
        return shown_detail(job.error_code, job.error) if job.error_code else ""
