"""A local server that speaks the OpenAI chat protocol, writes as the rules do, and misbehaves on request."""

import hashlib
import json
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from vimu.semantics.catalogue import FEATURES
from vimu.semantics.rules import load_rules


@dataclass(frozen=True)
class Reply:
    """What the server does with a request."""

    content: str = ""
    """Of the message."""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    body: str | None = None
    """In place of the protocol's JSON."""
    breaks_off: bool = False
    """The connection ends in the middle of the body."""


Behaviour = Callable[[dict[str, Any], int], Reply]
"""(the request's JSON, how often it came before) -> what to do."""


@dataclass
class ChatServer:
    """What happened at the server."""

    behaviour: Behaviour
    base_url: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    answered: Counter[str] = field(default_factory=Counter)
    """Request -> answers with status 200 that were sent whole."""
    came: Counter[str] = field(default_factory=Counter)
    at_once: int = 0
    most_at_once: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


def digest(request: dict[str, Any]) -> str:
    """A request's name."""
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()


def numbers_in(request: dict[str, Any]) -> dict[str, float | None]:
    """The features that a window's prompt states."""
    [prompt] = [m["content"] for m in request["messages"] if "Measurements of a window" in m["content"]]
    found = dict(re.findall(r"^(\w+) = (null|-?[\d.]+)", prompt, re.M))
    return {name: None if found[name] == "null" else float(found[name]) for name in FEATURES}


def as_rules(request: dict[str, Any]) -> dict[str, Any]:
    """A faultless answer: what the rules say of the numbers in the prompt."""
    return load_rules().interpret(numbers_in(request)).model_dump(mode="json")


def always(reply: Reply) -> Behaviour:
    """The same to everybody."""
    return lambda *_: reply


def faultless(request: dict[str, Any], nth: int) -> Reply:
    return Reply(json.dumps(as_rules(request)))


@contextmanager
def chat_server(behaviour: Behaviour = faultless) -> Iterator[ChatServer]:
    """A server on a free port of this machine while the block runs."""
    state = ChatServer(behaviour)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            name = digest(request)
            with state.lock:
                nth = state.came[name]
                state.came[name] += 1
                state.requests.append(request)
                state.keys.append(self.headers.get("Authorization"))
                state.times.append(time.monotonic())
                state.at_once += 1
                state.most_at_once = max(state.most_at_once, state.at_once)
            try:
                reply = state.behaviour(request, nth) if self.path == "/v1/chat/completions" else Reply(status=404)
                time.sleep(reply.delay_s)
                self._send(reply, request)
                if reply.status == 200 and not reply.breaks_off:
                    with state.lock:
                        state.answered[name] += 1
            except (BrokenPipeError, ConnectionResetError):
                pass  # who asked is gone
            finally:
                with state.lock:
                    state.at_once -= 1

        def _send(self, reply: Reply, request: dict[str, Any]) -> None:
            whole = {
                "choices": [{"message": {"role": "assistant", "content": reply.content}, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": 100, "completion_tokens": 20},
                "model": request.get("model"),
            }
            body = (json.dumps(whole) if reply.body is None else reply.body).encode()
            self.send_response(reply.status)
            for header, value in reply.headers.items():
                self.send_header(header, value)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if reply.breaks_off else body)
            if reply.breaks_off:
                self.close_connection = True

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.base_url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
