"""Template filters and tags for class names, scores and model errors."""

from django import template
from django.utils.translation import get_language

from ml_core import labels
from web import problem_texts

register = template.Library()
register.filter(problem_texts.without_folders)


@register.filter
def shown_name(class_name: str) -> str:
    """The name of a class in the visitor's language."""
    return labels.shown_name(class_name, get_language() or "en")


@register.simple_tag
def sentence_space() -> str:
    """The separator between sentences: a space, but nothing in Chinese."""
    return "" if (get_language() or "en").startswith("zh") else " "


@register.filter
def percent(score: float) -> str:
    """A score from 0 to 1 as a percentage."""
    return f"{score * 100:.0f}%"
