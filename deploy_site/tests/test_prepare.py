"""``manage.py prepare``: several processes may prepare the same site at once."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_two_processes_prepare_an_empty_site_at_once(tmp_path: Path) -> None:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    command = [sys.executable, "manage.py", "prepare"]

    both = [
        subprocess.Popen(command, cwd=ROOT, env={**kept, "DATA_DIR": str(tmp_path)})
        for _ in range(2)
    ]

    assert [each.wait(300) for each in both] == [0, 0]
    with sqlite3.connect(tmp_path / "db.sqlite3") as database:
        assert database.execute("SELECT count(*) FROM detect_video_video").fetchone() == (0,)
    database.close()
    assert (tmp_path / "static" / "staticfiles.json").exists()
    assert not (tmp_path / "prepare.lock").exists()
