"""Template filters for the errors of jobs."""

import json

from django import template

from model_library.models import ModelJob
from web.problem_texts import shown_detail

register = template.Library()


@register.filter
def as_json(answers: dict) -> str:
    """What a person said about a model, as the body of a request."""
    return json.dumps(answers)


@register.filter
def general_error(job: ModelJob) -> str:
    """Why the job failed: the exact text in English, a general one in other languages."""
    return shown_detail(job.error_code, job.error)


@register.filter
def exact_error(job: ModelJob) -> str:
    """The exact reason in English, unless it was said already."""
    return "" if general_error(job) == job.error else job.error
