"""Models that are being loaded for as long as a test wants."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from ml_core.catalog import installed
from ml_core.engines import conversion


@contextmanager
def held_conversions(*, model_dir: Path, converted_dir: Path, cache_dir: Path) -> Iterator[None]:
    """Keep models that are not in ``cache_dir`` yet loading until the context ends.

    Holds the lock that conversions wait for, in any process. At the end, a model is copied from
    ``converted_dir`` if one of the same content is there, as a conversion takes ten seconds.
    """
    cache_dir.mkdir(parents=True, exist_ok=True)
    with FileLock(cache_dir / conversion.LOCK):
        yield
        for spec in installed.read_catalog(model_dir).values():
            if not spec.is_usable:
                continue
            digest = conversion._digest(spec)
            target = cache_dir / f"{spec.name}-{digest}"
            same = next(converted_dir.glob(f"*-{digest}"), None)
            if same and not target.exists():
                shutil.copytree(same, target)
