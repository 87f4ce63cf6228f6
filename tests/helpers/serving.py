"""A server on this machine that gives files as well, or as badly, as a test wants."""

import http.server
import threading
from contextlib import contextmanager


class Shelf:
    """What is served.

    Attributes:
        files: Bytes by path, such as ``/a.bin``.
        ranges: Whether parts of files are given.
        counted: Whether it is said how many bytes come.
        tag: The ETag of all files; None gives none.
        breaks: After how many bytes each of the next answers breaks off; taken from the front.
        status: Answered in place of a file, for as many times as ``troubles`` says.
        asked: The path and the Range of each request.
    """

    def __init__(self):
        self.files, self.ranges, self.tag = {}, True, '"one"'
        self.breaks, self.status, self.troubles, self.asked = [], 503, 0, []
        self.address, self.counted = "", True


@contextmanager
def serving():
    """A shelf, served on loopback while the block runs."""
    shelf = Shelf()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            wanted = self.headers["Range"]
            shelf.asked.append((self.path, wanted))
            if shelf.troubles:
                shelf.troubles -= 1
                self.send_error(shelf.status)
                return
            content = shelf.files.get(self.path)
            if content is None:
                self.send_error(404)
                return
            first = 0
            same = self.headers["If-Range"] in (None, shelf.tag)
            if wanted and shelf.ranges and same:
                first = int(wanted.removeprefix("bytes=").rstrip("-"))
                if first >= len(content):
                    self.send_error(416)
                    return
                self.send_response(206)
                self.send_header(
                    "Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}"
                )
            else:
                self.send_response(200)
            if shelf.tag:
                self.send_header("ETag", shelf.tag)
            if shelf.counted:
                self.send_header("Content-Length", str(len(content) - first))
            self.end_headers()
            stop = len(content)
            if shelf.breaks:
                stop = min(stop, first + shelf.breaks.pop(0))
            self.wfile.write(content[first:stop])

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    shelf.address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield shelf
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
