#!/usr/bin/env python
"""Django's command line for this site."""

import os
import sys
from pathlib import Path


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "deploy_site.settings")
    try:
        from django.core.management import execute_from_command_line
    except ModuleNotFoundError:
        folder = Path(__file__).resolve().parent
        if sys.platform == "win32":
            python, setup = folder / ".venv" / "Scripts" / "python", "run.cmd"
        else:
            python, setup = folder / ".venv" / "bin" / "python", "make prepare"
        sys.exit(
            f"{sys.executable} lacks the site's packages. Run: {python} {' '.join(sys.argv)} "
            f"({setup} creates that environment)"
        )
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
