"""`larder site --watch`: the reports on this machine's own address, each written again when its file changes."""

import threading
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from larder.core import console
from larder.core.errors import LarderError
from larder.core.settings import Paths
from larder.site import publish

SECONDS = 0.5
STAMP = "/larder-stamp"
RELOAD = f"""<script>
let seen; setInterval(async () => {{
  const now = await (await fetch("{STAMP}")).text();
  if (seen && seen !== now) location.reload();
  seen = now;
}}, 500);
</script>"""


def run(paths: Paths, port: int = 8000) -> None:
    """Serve the site until Ctrl-C. A page that is wrong is told here, and stays missing until it is right."""
    handler = partial(_Reloading, directory=str(paths.data))
    try:
        server = _Server(("127.0.0.1", port), handler)
    except OSError as error:
        raise LarderError(
            f"port {port} is taken: {error.strerror}", "End what serves there, then try again."
        ) from error
    _write(paths)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    console.done(f"http://127.0.0.1:{port}/site/ shows the reports; Ctrl-C ends it")
    seen = _state(paths)
    try:
        while True:
            time.sleep(SECONDS)
            if (now := _state(paths)) != seen:
                seen = now
                _write(paths)
    except KeyboardInterrupt:
        server.shutdown()


def _write(paths: Paths) -> None:
    try:
        publish.reports(paths)
    except LarderError as error:
        console.failed(str(error), error.next_step)


def _state(paths: Paths) -> dict[Path, int]:
    found = {}
    for file in (paths.project / "reports").rglob("*.md"):
        try:
            found[file] = file.stat().st_mtime_ns
        except FileNotFoundError:  # an editor replaces it
            continue
    return found


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """A browser that went away is none."""


class _Reloading(SimpleHTTPRequestHandler):
    """The files of the site and of pages of single audiences, nothing else of the data folder; a page asks whether there is a newer one, and shows it, and so does one that is missing."""

    error_message_format = f"<!doctype html><title>Larder</title>%(message)s{RELOAD}"

    def translate_path(self, path: str) -> str:
        found = Path(super().translate_path(path))
        shown = [Path(self.directory) / name for name in ("site", "pages")]
        return str(found if any(found.is_relative_to(one) for one in shown) else "/nowhere")

    def do_GET(self) -> None:
        if self.path == STAMP:
            self._answer(str((Path(self.directory) / "site/reports").resolve()).encode(), "text/plain")
        elif (file := Path(self.translate_path(self.path))).suffix == ".html" and file.is_file():
            self._answer(file.read_bytes() + RELOAD.encode(), "text/html; charset=utf-8")
        else:
            super().do_GET()

    def _answer(self, body: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """The terminal is for what is wrong with pages."""
