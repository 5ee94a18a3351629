"""Real HTTP servers that answer as they are told, in turn, and keep what came."""

import http.server
import threading
import time
from contextlib import contextmanager
from typing import NamedTuple


class Got(NamedTuple):
    path: str
    headers: dict
    body: bytes
    at: float


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, answers):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.port = self.server_address[1]
        self.answers = list(answers)
        self.got = []
        self.lock = threading.Lock()
        self.running = self.most = 0

    def handle_error(self, *about):
        pass


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        server = self.server
        with server.lock:
            server.running += 1
            server.most = max(server.most, server.running)
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        with server.lock:
            server.got.append(Got(self.path, headers, body, time.monotonic()))
            answer = server.answers.pop(0) if len(server.answers) > 1 else server.answers[0]
        try:
            if callable(answer):
                answer = answer(self)
            if answer is not None:
                status, fields, content = answer
                self.send_response(status)
                for name, value in {"content-length": str(len(content)), **fields}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)
        finally:
            with server.lock:
                server.running -= 1

    def log_message(self, *words):
        pass


@contextmanager
def serving(*answers):
    """Answers are (status, headers, body), or functions of the handler that answer one, or None for no answer. The last
    is given for good."""
    server = _Server(answers)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
