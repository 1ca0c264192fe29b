"""The API of the staff's changes to models; the models page uses it, too."""

import uuid
from typing import Any

from django.contrib.auth.models import User
from django.http import FileResponse, Http404, HttpResponseBase
from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser
from rest_framework.permissions import IsAdminUser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from ml_core.catalog import selection
from ml_core.catalog.specs import ModelSpec
from ml_core.choices import choices
from ml_core.errors import UnknownModel
from ml_core.models import ModelChoice
from model_library import jobs, schema, services, tasks, uploads
from model_library.errors import NotChangeable, NotUnderstood, NotUploaded
from model_library.models import Kind, ModelJob, State
from model_library.serializers import (
    AnswersSerializer,
    ChangeSerializer,
    ChoiceSerializer,
    ModelAnnouncementSerializer,
    ModelJobSerializer,
)
from web.rest.chunks import ChunkAPIView
from web.rest.file_views import FileAPIView


def known_model(name: str) -> ModelSpec:
    """The model of this name. Raises ``Http404``."""
    spec = selection.models().get(name)
    if spec is None:
        raise Http404(f"There is no model {name!r}.")
    return spec


def known_job(job_id: uuid.UUID) -> ModelJob:
    """The job with this id. Raises ``Http404``."""
    job = ModelJob.objects.filter(pk=job_id).first()
    if job and job.is_running:
        jobs.fail_interrupted()
        job = ModelJob.objects.filter(pk=job_id).first()
    if job is None:
        raise Http404("There is no such job; it may have been cancelled.")
    return job


class StaffView(APIView):
    """A view for the staff only."""

    permission_classes = [IsAdminUser]
    throttle_scope = "uploads"


def account(request: Request) -> User:
    """The account of a request to a ``StaffView``."""
    assert isinstance(request.user, User)
    return request.user


def chosen(spec: ModelSpec) -> dict[str, Any]:
    """What was chosen for a model and measured of it, as JSON."""
    row = choices().get(spec.name) or ModelChoice(name=spec.name)
    return ChoiceSerializer(row).data


def accepted(job: ModelJob) -> Response:
    """The answer to a request that started a job."""
    body = ModelJobSerializer(job).data
    return Response(body, status=202, headers={"Location": body["url"]})


@schema.model
class ModelView(StaffView):
    """What the staff chose for a model; PATCH changes it, DELETE deletes the model's files."""

    def get(self, request: Request, name: str) -> Response:
        return Response(chosen(known_model(name)))

    def patch(self, request: Request, name: str) -> Response:
        spec = known_model(name)
        change = ChangeSerializer(data=request.data)
        change.is_valid(raise_exception=True)
        values = change.validated_data
        if "is_enabled" in values:
            services.set_enabled(spec, values["is_enabled"])
        if "is_preloaded" in values:
            services.set_preloaded(spec, values["is_preloaded"])
        if "is_default" in values:
            services.set_default(spec)
        return Response(chosen(spec))

    def delete(self, request: Request, name: str) -> Response:
        services.delete(known_model(name))
        return Response(status=204)


@schema.speed
class SpeedView(StaffView):
    """Measure the median time of an inference on this server."""

    def post(self, request: Request, name: str) -> Response:
        spec = known_model(name)
        services.measure_speed(spec)
        return Response(chosen(spec))


@schema.description
class DescriptionView(StaffView):
    """The values of the model's `model.toml`; PUT replaces them all."""

    parser_classes = [JSONParser]

    def get(self, request: Request, name: str) -> Response:
        return Response(services.description(known_model(name)))

    def put(self, request: Request, name: str) -> Response:
        spec = known_model(name)
        values = request.data
        if not isinstance(values, dict):
            raise ParseError("Expected a JSON object with the keys of model.toml.")
        services.correct_description(spec, values)
        return Response(services.description(known_model(name)))


@schema.install
class InstallView(StaffView):
    """Download a model of the catalogue, in the background."""

    def post(self, request: Request, name: str) -> Response:
        spec = known_model(name)
        if spec.is_installed:
            raise NotChangeable(f"{name} is installed already.", code="model_is_installed")
        if not all(file.urls for file in spec.files):
            raise UnknownModel(f"The catalogue has no addresses of {name}.")
        job = ModelJob(kind=Kind.INSTALL, model=name, state=State.NEW, user=account(request))
        jobs.create(job)
        jobs.start(job, tasks.install)
        return accepted(job)


@schema.jobs
class JobsView(StaffView):
    """All jobs; POST announces the upload of a model, or of labelled pictures."""

    def get(self, request: Request) -> Response:
        jobs.fail_interrupted()
        return Response(ModelJobSerializer(ModelJob.objects.all(), many=True).data)

    def post(self, request: Request) -> Response:
        announcement = ModelAnnouncementSerializer(data=request.data)
        announcement.is_valid(raise_exception=True)
        values = announcement.validated_data
        if values["kind"] == Kind.MEASURE:
            selection.check_usable(known_model(values["model"]))
        job = uploads.announce(account(request), **values)
        body = ModelJobSerializer(job).data
        return Response(body, status=201, headers={"Location": body["url"]})


@schema.job
class JobView(StaffView):
    """The state of a job; DELETE cancels it and deletes its files."""

    def get(self, request: Request, job_id: uuid.UUID) -> Response:
        return Response(ModelJobSerializer(known_job(job_id)).data)

    def delete(self, request: Request, job_id: uuid.UUID) -> Response:
        known_job(job_id).delete()
        return Response(status=204)


@schema.chunks
class ChunksView(ChunkAPIView):
    """The upload of a file: HEAD returns its offset, PATCH appends a chunk."""

    permission_classes = [IsAdminUser]

    def head(self, request: Request, job_id: uuid.UUID, number: int) -> Response:
        job = self._job(job_id, number)
        return self.state(uploads.received_bytes(job, number), job.files[number]["size_bytes"])

    def patch(self, request: Request, job_id: uuid.UUID, number: int) -> Response:
        chunk, offset = self.chunk(request)
        job = self._job(job_id, number)
        arrived = uploads.receive_chunk(job, number, chunk, offset=offset)
        return Response(status=204, headers={"Upload-Offset": str(arrived)})

    def _job(self, job_id: uuid.UUID, number: int) -> ModelJob:
        job = known_job(job_id)
        if number >= len(job.files):
            raise Http404("This upload has no such file.")
        return job


@schema.start
class StartView(StaffView):
    """Look into the uploaded model, or measure with the uploaded pictures, in the background.

    The body is about a model to add; an empty one leaves what was said before, with the
    announcement or at a former start. It can be changed and looked into again, also after an error
    of the server.
    """

    def post(self, request: Request, job_id: uuid.UUID) -> Response:
        job = known_job(job_id)
        answers = AnswersSerializer(data=request.data or job.answers)
        answers.is_valid(raise_exception=True)
        if not job.files or not job.is_uploaded:
            raise NotUploaded("The files of this job have not arrived completely.")
        job.answers = answers.validated_data
        jobs.start(job, tasks.understand if job.kind == Kind.ADD else tasks.measure)
        return accepted(job)


@schema.add
class AddView(StaffView):
    """Add the model as it was understood, in the background; `model` is its name then."""

    def post(self, request: Request, job_id: uuid.UUID) -> Response:
        job = known_job(job_id)
        if job.state != State.UNDERSTOOD or not job.is_uploaded:
            raise NotUnderstood("No model was understood that could be added. Look into it first.")
        jobs.start(job, tasks.add)
        return accepted(job)


@schema.sample
class SampleView(FileAPIView):
    """The sample picture with the boxes that an uploaded detector found."""

    permission_classes = [IsAdminUser]

    def get(self, request: Request, job_id: uuid.UUID) -> HttpResponseBase:
        path = known_job(job_id).sample_path
        try:
            return FileResponse(path.open("rb"), content_type="image/jpeg")
        except FileNotFoundError as exc:
            raise Http404("This job has no picture.") from exc
