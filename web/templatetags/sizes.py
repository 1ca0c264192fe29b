"""Sizes in bytes as text."""

from django import template

UNITS = ["B", "kB", "MB", "GB", "TB"]

register = template.Library()


@register.filter
def size_text(size_bytes: int) -> str:
    """A size in decimal units (1 MB is 10^6 bytes), as ``files/size-text.js`` writes it."""
    for power, unit in enumerate(UNITS):
        decimals = 0 if power < 2 else 1
        step = 1000**power // 10**decimals
        # Halves are rounded up, as browsers do.
        rounded = (2 * size_bytes + step) // (2 * step)
        if rounded < 1000 * 10**decimals or unit == UNITS[-1]:
            break
    text = f"{rounded / 10**decimals:.{decimals}f}"
    return f"{text.removesuffix('.0')} {unit}"
