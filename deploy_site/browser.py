"""Opening the served site in a browser of this machine."""

import threading
import time
import webbrowser

import requests


def is_served(url: str) -> bool:
    """Whether this site answers at a URL such as http://127.0.0.1:8000."""
    session = requests.Session()
    # No proxy leads to this machine.
    session.trust_env = False
    try:
        return session.get(f"{url}/livez", timeout=2).json() == {"status": "alive"}
    except requests.RequestException:
        return False


def open_once_served(url: str) -> threading.Thread:
    """Start a thread that opens the site in the browser as soon as it answers."""

    def wait_and_open() -> None:
        while not is_served(url):
            time.sleep(0.2)
        webbrowser.open(f"{url}/")

    thread = threading.Thread(target=wait_and_open, daemon=True)
    thread.start()
    return thread
