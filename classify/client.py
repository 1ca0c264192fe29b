"""Terminal client for image classification. Requires only ``requests``; no Django, no model.

python classify_client.py                        # prompts for paths
python classify_client.py cat.jpg dog.jpg --url http://127.0.0.1:8000
"""

import argparse
import os
import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import requests

DEFAULT_URL = "http://127.0.0.1:8000"
# Exists only when this file is inside the project.
SAMPLE = Path(__file__).resolve().parent.parent / "static" / "samples" / "car.jpg"
TIMEOUT_SECONDS = 60


class ClientError(Exception):
    """The picture could not be classified; the message says why."""


def classify(path: Path, url: str, model: str = "") -> dict:
    """Send a picture file to the server at ``url`` and return the JSON of the response.

    An empty ``model`` is the server's default classifier. Waits while the server is loading it.
    Raises ``ClientError`` if the file cannot be read, the server cannot be reached, or the server
    rejects the picture.
    """
    is_waiting = False
    try:
        while True:
            with path.open("rb") as picture:
                response = requests.post(
                    url.rstrip("/") + "/api/classify/",
                    data={"model": model},
                    files={"image": picture},
                    timeout=TIMEOUT_SECONDS,
                )
            answer = response.json()
            if answer.get("code") != "model_loading":
                break
            if not is_waiting:
                print("The server is loading the model ...", file=sys.stderr)
            is_waiting = True
            time.sleep(int(response.headers["Retry-After"]))
    except OSError as exc:
        if isinstance(exc, requests.RequestException):
            raise ClientError(
                f"The server at {url} does not answer. Is the address right, and is it running?"
            ) from exc
        raise ClientError(f"{path}: {exc.strerror}") from exc
    if not response.ok:
        raise ClientError(f"{path}: {answer.get('detail', response.reason)}")
    return answer


def ask_for_paths() -> Iterator[Path]:
    """Prompt for paths and yield those that are files; Enter is the sample, exit or -1 ends."""
    has_sample = SAMPLE.is_file()
    hint = f"Enter: {SAMPLE.name}, exit or -1: end" if has_sample else "exit or -1: end"
    while True:
        try:
            typed = input(f"Picture ({hint}): ").strip()
        except (EOFError, KeyboardInterrupt):
            print()
            return
        if typed in ("exit", "-1") or not (typed or has_sample):
            return
        path = typed_path(typed) if typed else SAMPLE
        if os.path.isfile(path):
            yield path
        else:
            print(f"There is no file {path}. Try again.")


def typed_path(typed: str) -> Path:
    """The path that was typed, or dragged into the terminal, which quotes or escapes it."""
    if os.name != "nt" and not os.path.isfile(typed):
        with suppress(ValueError):
            typed = " ".join(shlex.split(typed))
    return Path(os.path.expanduser(typed.removeprefix("& ").strip("\"'")))


def run(paths: list[Path], url: str, model: str = "", top: int = 1) -> int:
    """Print the path and class of each picture, and return how many of ``paths`` failed.

    Without ``paths``, prompt for them.
    ``top`` is the number of classes to print for each picture.
    """
    failures = 0
    for path in paths or ask_for_paths():
        try:
            answer = classify(path, url, model)
        except ClientError as exc:
            print(exc, file=sys.stderr)
            failures += bool(paths)
        else:
            print(f"{path}  {answer['class_name']}  {answer['score']:.1%}")
            ranked = sorted(answer["probabilities"], key=lambda one: one["score"], reverse=True)
            for one in ranked[1:top]:
                print(f"{' ' * len(str(path))}  {one['class_name']}  {one['score']:.1%}")
            if "not_stored" in answer:
                print(f"{path} is not stored: {answer['not_stored']['detail']}", file=sys.stderr)
    return failures


def add_arguments(parser: argparse.ArgumentParser, url: str = DEFAULT_URL) -> None:
    """Define the arguments of this script and of ``manage.py classify_client``."""
    parser.add_argument(
        "paths", nargs="*", type=Path, metavar="PATH", help="prompted for if omitted"
    )
    parser.add_argument("--model", default="", help="default: the server's default classifier")
    parser.add_argument(
        "--top", type=int, default=1, metavar="N", help="print the N surest classes"
    )
    parser.add_argument("--url", default=url, help=f"the server (default: {url})")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Classify pictures with a server.")
    add_arguments(parser)
    options = parser.parse_args()
    try:
        sys.exit(1 if run(options.paths, options.url, options.model, options.top) else 0)
    except KeyboardInterrupt:
        sys.exit(130)
