"""``manage.py prepare`` with the limits that requests have on PostgreSQL."""

import os
import subprocess
import sys
from pathlib import Path

from tests.cluster.services import ROOT, Postgres

# Prints the limits of the connection that has just migrated.
SCRIPT = """
import django
django.setup()
from django.core.management import call_command
from django.db import connection
from django.db.models.signals import post_migrate

def show(sender, **_):
    if sender.label == "auth":
        with connection.cursor() as cursor:
            for name in ("lock_timeout", "idle_in_transaction_session_timeout"):
                cursor.execute(f"SHOW {name}")
                print(name, cursor.fetchone()[0])

post_migrate.connect(show)
call_command("prepare")
"""


def test_one_connection_is_enough_and_migrations_have_no_time_limit(
    postgres: Postgres, tmp_path: Path
) -> None:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    environment = {
        **kept,
        "DJANGO_SETTINGS_MODULE": "deploy_site.settings",
        "DATA_DIR": str(tmp_path),
        "DATABASE_URL": postgres.create_database("prepared"),
        "DATABASE_POOL": "1",
    }

    prepared = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert prepared.returncode == 0, prepared.stderr
    assert prepared.stdout.splitlines() == [
        "lock_timeout 0",
        "idle_in_transaction_session_timeout 0",
    ]
