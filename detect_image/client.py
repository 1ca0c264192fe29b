"""Terminal client for object detection: the server detects, the client draws.

Requires ``requests`` and ``pillow``; with ``opencv-python`` it can also show a window.

python detect_client.py                                        # prompts for paths
python detect_client.py dog.jpg --url http://127.0.0.1:8000    # shows the annotated picture
python detect_client.py *.jpg --output drawn                   # saves the annotated pictures
"""

import argparse
import colorsys
import io
import os
import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import requests
from PIL import Image, ImageDraw, ImageFont, ImageOps

DEFAULT_URL = "http://127.0.0.1:8000"
# Exists only when this file is inside the project.
SAMPLE = Path(__file__).resolve().parent.parent / "static" / "samples" / "street.jpg"
TIMEOUT_SECONDS = 60
ESCAPE = 27
WINDOW_PIXELS = 1000
GOLDEN_RATIO = 0.618033988749895


class ClientError(Exception):
    """The request or the picture failed; the message says why."""


def failure_reason(exc: requests.RequestException) -> str:
    """Why a request failed, as the end of a sentence that begins with "The server at URL"."""
    if isinstance(exc, requests.Timeout):
        return f"did not answer within {TIMEOUT_SECONDS} seconds."
    if isinstance(exc, requests.ConnectionError):
        return "cannot be reached. Is the address right, and is the server running?"
    return "does not answer as expected. Is the address right?"


def request_json(method: str, url: str, **options) -> dict:
    """Send a request and return the JSON response. Raises ``ClientError`` if it fails.

    Waits while the server is loading the model.
    """
    is_waiting = False
    try:
        while True:
            response = requests.request(method, url, timeout=TIMEOUT_SECONDS, **options)
            answer = response.json()
            if response.ok or answer.get("code") != "model_loading":
                break
            if not is_waiting:
                print("The server is loading the model ...", file=sys.stderr)
            is_waiting = True
            time.sleep(int(response.headers["Retry-After"]))
    except requests.RequestException as exc:
        raise ClientError(f"The server at {url} {failure_reason(exc)}") from exc
    if not response.ok:
        raise ClientError(answer.get("detail", response.reason))
    return answer


def find_model(url: str, name: str) -> dict:
    """Look up a detection model by name; an empty name is the server's default.

    Raises ``ClientError`` if the server has no such model.
    """
    for model in request_json("GET", f"{url}/api/models/"):
        is_wanted = model["name"] == name if name else model["is_default"]
        if model["task"] == "detection" and is_wanted:
            return model
    raise ClientError(f"The server has no detection model {name or 'installed'}.")


def shrunk_size(picture_wh: tuple[int, int], model: dict) -> tuple[int, int]:
    """The smallest upload size (width, height) that loses no detail at the network's input size.

    The aspect ratio is preserved: a letterboxed picture fits into the input, a stretched one
    covers it.
    """
    width, height = picture_wh
    input_width, input_height = model["input_width"], model["input_height"]
    fills_width = input_width * height <= input_height * width
    # Integer arithmetic, as in Darknet's letterboxing.
    if fills_width == (model["resizing"] == "letterbox"):
        shrunk = input_width, max(8, height * input_width // width)
    else:
        shrunk = max(8, width * input_height // height), input_height
    return min(shrunk, picture_wh)


def detect(picture: Image.Image, url: str, model: dict, threshold: float) -> list[dict]:
    """Detect objects in a downscaled copy of an upright RGB picture.

    The boxes are in pixels of ``picture``.
    """
    file = io.BytesIO()
    picture.resize(shrunk_size(picture.size, model), Image.Resampling.BILINEAR).save(
        file, "JPEG", quality=92
    )
    fields = {
        "model": model["name"],
        "score_threshold": threshold,
        "original_width": picture.width,
        "original_height": picture.height,
    }
    files = {"image": ("picture.jpg", file.getvalue(), "image/jpeg")}
    return request_json("POST", f"{url}/api/detect/image/", data=fields, files=files)["detections"]


def class_colour(class_id: int) -> tuple[int, int, int]:
    """The (red, green, blue) colour of a class, the same as on the server's pages."""
    red, green, blue = colorsys.hls_to_rgb((class_id * GOLDEN_RATIO) % 1, 0.5, 0.85)
    return round(red * 255), round(green * 255), round(blue * 255)


def draw(picture: Image.Image, detections: list[dict]) -> Image.Image:
    """Draw boxes and labels on a copy of the picture, the highest score on top."""
    drawn = picture.copy()
    canvas = ImageDraw.Draw(drawn)
    unit = max(drawn.size) / 100
    font = ImageFont.load_default(max(11, unit * 1.8))
    for detection in reversed(detections):
        colour = class_colour(detection["class_id"])
        x_min, y_min, x_max, y_max = detection["box"]
        canvas.rectangle((x_min, y_min, x_max, y_max), outline=colour, width=max(2, int(unit / 3)))
        text = f"{detection['class_name']} {detection['score']:.0%}"
        _, _, right, bottom = font.getbbox(text)
        left, top = x_min, y_min - bottom if y_min >= bottom else y_min
        canvas.rectangle((left, top, left + right, top + bottom), fill=colour)
        luma = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]
        canvas.text((left, top), text, fill="black" if luma > 140 else "white", font=font)
    return drawn


def show(picture: Image.Image, title: str) -> bool:
    """Show the picture in a window until Esc or q is pressed; False if there is no display."""
    has_screen = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if sys.platform.startswith("linux") and not has_screen:
        return False
    try:
        import cv2
        import numpy as np
    except ImportError:
        return False
    cv2.namedWindow(title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
    scale = min(1, WINDOW_PIXELS / max(picture.size))
    cv2.resizeWindow(title, round(picture.width * scale), round(picture.height * scale))
    cv2.imshow(title, np.asarray(picture)[:, :, ::-1])
    while cv2.getWindowProperty(title, cv2.WND_PROP_VISIBLE) >= 1:
        if cv2.waitKey(50) in (ESCAPE, ord("q")):
            break
    cv2.destroyAllWindows()
    return True


def free_target(path: Path, folder: Path, taken: set[str]) -> Path:
    """An unused path in ``folder`` for the annotated copy of ``path``."""
    target, number = folder / f"{path.stem}.jpg", 2
    # Many file systems are case-insensitive.
    while target.name.casefold() in taken:
        target = folder / f"{path.stem}-{number}.jpg"
        number += 1
    taken.add(target.name.casefold())
    return target


def process(path: Path, target: Path, options: argparse.Namespace, model: dict) -> None:
    """Detect objects in one file, print them, and show or save the annotated picture.

    Pictures of ``options.paths`` are never overwritten. Raises ``ClientError`` if the file cannot
    be read or the request fails.
    """
    try:
        with Image.open(path) as opened:
            picture = ImageOps.exif_transpose(opened).convert("RGB")
    except OSError as exc:
        raise ClientError(exc.strerror or str(exc)) from exc
    detections = detect(picture, options.url, model, options.score_threshold)
    print(f"{path}  {picture.width} x {picture.height}  {model['name']}")
    for detection in detections:
        box = ", ".join(f"{value:.0f}" for value in detection["box"])
        print(f"  {detection['score']:6.1%}  {detection['class_name']:<16} [{box}]")
    drawn = draw(picture, detections)
    if options.output is None and show(drawn, path.name):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    originals = (original for original in options.paths if original.exists())
    if target.exists() and any(target.samefile(original) for original in originals):
        raise ClientError(f"{target} would be overwritten; choose another --output.")
    drawn.save(target, quality=92)
    why = "" if options.output else " (no window can be opened here; --output names a folder)"
    print(f"  saved as {target}{why}")


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


def run(options: argparse.Namespace) -> int:
    """Process every picture of ``options.paths`` and return the number of failures.

    Without paths, prompt for them. Raises ``ClientError`` if the server has no such model.
    """
    options.url = options.url.rstrip("/")
    model = find_model(options.url, options.model)
    failures = 0
    taken: set[str] = set()
    is_prompting = not options.paths
    for path in ask_for_paths() if is_prompting else options.paths:
        if is_prompting:
            options.paths.append(path)
        target = free_target(path, options.output or Path("drawn"), taken)
        try:
            process(path, target, options, model)
        except ClientError as exc:
            print(f"{path}: {exc}", file=sys.stderr)
            failures += not is_prompting
    return failures


def add_arguments(parser: argparse.ArgumentParser, url: str = DEFAULT_URL) -> None:
    """Define the arguments of this script and of ``manage.py detect_client``."""
    parser.add_argument(
        "paths", nargs="*", type=Path, metavar="PATH", help="pictures; prompted for if omitted"
    )
    parser.add_argument("--url", default=url, help=f"the server (default: {url})")
    parser.add_argument("--model", default="", help="model name (default: the server's)")
    parser.add_argument("--score-threshold", type=float, default=0.25, help="0 to 1, default 0.25")
    parser.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="folder for the drawn pictures; without it they are displayed, or saved in ./drawn",
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Detect objects in pictures with a server.")
    add_arguments(parser)
    try:
        sys.exit(1 if run(parser.parse_args()) else 0)
    except ClientError as exc:
        sys.exit(str(exc))
    except KeyboardInterrupt:
        sys.exit(130)
