"""A server on this machine that takes traces as LangSmith does, and remembers every byte."""

import email.policy
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

INGEST = {
    "use_multipart_endpoint": True,
    "size_limit": 100,
    "size_limit_bytes": 20_971_520,
    "scale_up_qsize_trigger": 1000,
    "scale_up_nthreads_limit": 16,
    "scale_down_nempty_trigger": 4,
}


@dataclass
class Traces:
    """What has arrived: raw bodies by path, and the runs that they describe."""

    bodies: list[tuple[str, bytes]] = field(default_factory=list)
    runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    url: str = ""

    def named(self, name: str) -> dict[str, Any]:
        """The one run of that name."""
        [run] = [run for run in self.runs.values() if run["name"] == name]
        return run

    def metadata(self, name: str) -> dict[str, Any]:
        """What the run of that name says of itself."""
        said: dict[str, Any] = self.named(name)["extra"]["metadata"]
        return said

    def children(self, name: str) -> list[dict[str, Any]]:
        """The runs right below the one of that name."""
        above = self.named(name)["id"]
        return [run for run in self.runs.values() if run.get("parent_run_id") == above]

    def take(self, path: str, kind: str, body: bytes) -> None:
        """Put a request's parts together: a run arrives in several, and once more as it ends."""
        self.bodies.append((path, body))
        if not kind.startswith("multipart/"):
            return
        whole = b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body
        for part in BytesParser(policy=email.policy.HTTP).parsebytes(whole).iter_parts():
            named = part.get_param("name", header="content-disposition")
            _, run_id, *more = str(named).split(".")
            said = json.loads(part.get_payload(decode=True) or b"null")  # type: ignore[arg-type]
            run = self.runs.setdefault(run_id, {})
            run.update({more[0]: said} if more else said)


@contextmanager
def langsmith() -> Iterator[Traces]:
    """The server, for as long as somebody may trace to it."""
    traces = Traces()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._say(json.dumps({"version": "0.0.0", "batch_ingest_config": INGEST}).encode())

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            traces.take(self.path, self.headers["Content-Type"], body)
            self._say(b"{}")

        def _say(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    traces.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield traces
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
