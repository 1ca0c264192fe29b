"""How large pictures may be, as the settings say."""

from django.conf import settings

from ml_core.pictures.images import ImageLimits


def image_limits() -> ImageLimits:
    """What may be uploaded, from ``settings.LIMITS``."""
    return ImageLimits(settings.LIMITS["image_bytes"], settings.LIMITS["image_pixels"])
