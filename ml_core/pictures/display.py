"""Show pictures in a window on this machine's screen."""

import os
import sys

import cv2
import numpy as np
from PIL import Image

ESCAPE = 27
# The longer side of a new window: fits on any screen.
WINDOW_PIXELS = 1000


def has_display() -> bool:
    """Whether a window can be opened. (OpenCV aborts the process if it cannot.)"""
    if sys.platform.startswith("linux"):
        return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    return True


def show_picture(picture: Image.Image, title: str) -> None:
    """Show ``picture`` until Esc or q is pressed or the window is closed."""
    picture_bgr = np.array(picture)[:, :, ::-1]
    scale = min(1.0, WINDOW_PIXELS / max(picture.size))
    cv2.namedWindow(title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
    cv2.resizeWindow(title, round(picture.width * scale), round(picture.height * scale))
    cv2.imshow(title, picture_bgr)
    while cv2.getWindowProperty(title, cv2.WND_PROP_VISIBLE) >= 1:
        if cv2.waitKey(50) in (ESCAPE, ord("q")):
            break
    cv2.destroyAllWindows()
