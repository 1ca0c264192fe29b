"""Tools for agents: a server of the Model Context Protocol that asks a site for detections.

Requires ``mcp`` and ``requests``. An agent's program starts it, for example with the command

python vision_mcp.py --url http://127.0.0.1:8000

and with a token of an account in the environment variable VISION_TOKEN where one is needed.
"""

import argparse
import os
from pathlib import Path
from typing import Any

import requests
from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError

TIMEOUT_SECONDS = 60

server = MCPServer("Vision Online")
site = {"url": "http://127.0.0.1:8000"}


def ask(method: str, path: str, **options: Any) -> Any:
    """Send a request to the site and return the JSON of its answer. Raises ``ToolError``."""
    token = os.environ.get("VISION_TOKEN", "")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        response = requests.request(
            method, site["url"] + path, headers=headers, timeout=TIMEOUT_SECONDS, **options
        )
        answer = response.json()
    except requests.RequestException as exc:
        raise ToolError(f"The site at {site['url']} cannot be asked: {exc}") from exc
    if not response.ok:
        raise ToolError(answer["detail"])
    return answer


@server.tool()
def list_models() -> list[dict[str, Any]]:
    """List the installed models: name, task, classes, and whether it is the default of its task."""
    keys = ("name", "task", "is_default", "class_names")
    models = ask("GET", "/api/models/")
    return [{key: one[key] for key in keys} for one in models if one["is_installed"]]


@server.tool()
def detect_in_picture(
    path: str, model: str = "", score_threshold: float = 0.25, tiles: int = 1
) -> dict[str, Any]:
    """Detect objects in a picture file of this machine.

    Boxes are x_min, y_min, x_max, y_max in pixels; scores are from 0 to 1. An empty model is the
    default detector. tiles=2 also looks into overlapping quarters of the picture, which finds more
    small objects and takes five times as long.
    """
    parameters = {"model": model, "score_threshold": score_threshold, "tiles": tiles}
    try:
        picture = Path(path).read_bytes()
    except OSError as exc:
        raise ToolError(f"The picture {path} cannot be read: {exc.strerror}.") from exc
    return ask("POST", "/api/detect/image/", data=parameters, files={"image": picture})


@server.tool()
def list_videos() -> list[dict[str, Any]]:
    """List the videos of the account: id, name and state."""
    videos = ask("GET", "/api/videos/")
    return [{key: one[key] for key in ("id", "name", "state")} for one in videos]


@server.tool()
def count_in_video(video_id: str, score_threshold: float = 0.4) -> dict[str, Any]:
    """Count the distinct objects of each class in a video: how many, when, how long each stayed.

    Lines and zones that are kept with the video are counted as well.
    """
    path = f"/api/videos/{video_id}/counts/"
    return ask("GET", path, params={"score_threshold": score_threshold})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default=site["url"], help="address of the site")
    site["url"] = parser.parse_args().url.rstrip("/")
    server.run()
