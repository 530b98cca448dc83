"""A server on this machine that answers as it is told to."""

import contextlib
import http.server
import threading
from typing import NamedTuple


class Answer(NamedTuple):
    """An answer of the server: a status, and a body, of which it may not send all."""

    body: bytes = b""
    status: int = 200
    sent: int | None = None
    encoding: str | None = None


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        name = self.path.rpartition("/")[2]
        self.server.asked.append(name)
        answers = self.server.answers.get(name, [Answer(status=404)])
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        self.send_response(answer.status)
        self.send_header("Content-Length", str(len(answer.body)))
        if answer.encoding:
            self.send_header("Content-Encoding", answer.encoding)
        self.end_headers()
        self.wfile.write(answer.body[: answer.sent])

    def log_message(self, *args):
        pass


@contextlib.contextmanager
def serving(answers, handler=Handler):
    """Serves these answers by file name, the last of each repeated."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.over = threading.Event()
        server.answers = {name: list(of_name) for name, of_name in answers.items()}
        server.asked = []
        server.url = f"http://127.0.0.1:{server.server_port}/data/"
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield server
        finally:
            server.over.set()
            server.shutdown()
