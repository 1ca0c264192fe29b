"""Static files with hashed names, which browsers may cache forever."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class ModuleStaticFilesStorage(CompressedManifestStaticFilesStorage):
    """Also rewrites the imports of ES modules to hashed names."""

    support_js_module_import_aggregation = True
