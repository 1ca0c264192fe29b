# First of all, so that nothing is reported to anybody.
import ml_core  # noqa: F401
