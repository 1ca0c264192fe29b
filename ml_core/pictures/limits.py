"""The limits of uploaded pictures; apart from ``images``, which does not need Django."""

from django.conf import settings

from ml_core.pictures.images import ImageLimits


def image_limits() -> ImageLimits:
    """The limits of uploaded pictures, from ``settings.LIMITS``."""
    return ImageLimits(settings.LIMITS["image_bytes"], settings.LIMITS["image_pixels"])
