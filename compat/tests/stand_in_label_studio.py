"""A stand-in for Label Studio: serves the pictures of tasks to those who have its token."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

LABEL_STUDIO_TOKEN = "token-of-label-studio"


@contextmanager
def stand_in_label_studio(
    files: dict[str, bytes],
    redirects: dict[str, str] | None = None,
    *,
    bytes_per_second: int = 0,
) -> Iterator[str]:
    """Serve ``files`` and ``redirects`` by path; the address of the server.

    With ``bytes_per_second`` files arrive byte by byte.
    """
    is_over = Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.headers["Authorization"] != f"Token {LABEL_STUDIO_TOKEN}":
                self.send_response(401)
            elif self.path in (redirects or {}):
                self.send_response(302)
                self.send_header("Location", (redirects or {})[self.path])
            elif self.path in files:
                self.send_response(200)
                self.end_headers()
                self.send_file(files[self.path])
                return
            else:
                self.send_response(404)
            self.end_headers()

        def send_file(self, file: bytes) -> None:
            if not bytes_per_second:
                self.wfile.write(file)
                return
            for byte in file:
                if is_over.wait(1 / bytes_per_second):
                    break
                try:
                    self.wfile.write(bytes([byte]))
                except OSError:
                    break

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        is_over.set()
        server.shutdown()
