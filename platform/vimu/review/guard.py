"""Who may talk to the page's server: the person who started it, by the page itself.

The server listens on loopback. Other users of the machine reach that too, so the address that is printed holds a key,
which the browser keeps as a cookie. And every page that the person has open can send requests there, with that cookie:
a foreign page is told by its `Origin` and by what browsers say of where a request comes from; a name that an attacker
points at 127.0.0.1 (DNS rebinding) by `Host`; and what changes decisions needs a token that only the page holds.
"""

import base64
import hashlib
import re
import secrets

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from vimu.runtime.errors import UserError

TOKEN_HEADER = "X-Review-Token"  # noqa: S105 (the header's name)  # nosec B105
SAFE = ("GET", "HEAD")


class Guard:
    """What is let through, for a server on `port`."""

    def __init__(self, port: int) -> None:
        self.token, self._key = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        self._cookie = f"vimu_review_{port}"  # cookies do not tell ports apart
        self.address = f"http://127.0.0.1:{port}/?key={self._key}"
        self._hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}
        self._origins = {f"http://{host}" for host in self._hosts}

    def refusal(self, request: web.Request) -> str | None:
        """Why a request is not answered; None: it is."""
        if request.headers.get("Host") not in self._hosts:
            return "`Host` must be this server's own address."
        origin = request.headers.get("Origin")
        if origin is not None and origin not in self._origins:
            return "`Origin` must be this page."
        if not self._is_admitted(request):
            return "Open the address that `vimu review` has printed, with its key."
        is_page = request.method in SAFE and request.path == "/"  # a link elsewhere may open it
        if not is_page and request.headers.get("Sec-Fetch-Site", "none") not in ("same-origin", "none"):
            return "The request must come from this page."
        if request.method in SAFE:
            return None
        if origin is None:
            return "`Origin` must be given."
        if not _same(request.headers.get(TOKEN_HEADER, ""), self.token):
            return "The page is of an earlier start of this server: load it again."
        return None

    def admit(self, response: web.Response) -> web.Response:
        """An answer that leaves the key with the browser, for who came with it."""
        response.set_cookie(self._cookie, self._key, httponly=True, samesite="Lax", path="/")
        return response

    def _is_admitted(self, request: web.Request) -> bool:
        given = request.query.get("key", "") if request.path == "/" else ""
        return any(_same(key, self._key) for key in (given, request.cookies.get(self._cookie, "")))


def _same(given: str, own: str) -> bool:
    """In a time that tells nothing of `own`. Headers may hold bytes that are no text, which are nobody's."""
    return secrets.compare_digest(given.encode(errors="replace"), own.encode())


def guarded(guard: Guard, policy: str) -> Middleware:
    """Middleware that refuses by `guard`, says what a person must mend, and has every answer bind the browser."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        why = guard.refusal(request)
        if why is not None:
            response: web.StreamResponse = web.json_response({"error": why}, status=403)
        else:
            try:
                response = await handler(request)
            except web.HTTPException as error:
                response = web.json_response({"error": error.reason}, status=error.status)
            except UserError as error:
                response = web.json_response({"error": str(error)}, status=409)
        response.headers.update(
            {
                "Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY",
                "Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin",
                "Cross-Origin-Resource-Policy": "same-origin", "Cache-Control": "no-store",
            }
        )  # fmt: skip
        return response

    return middleware


def content_policy(page: str) -> str:
    """Content-Security-Policy of the page: its own files, its one inline import map, and no text ever as HTML."""
    [import_map] = re.findall(r'<script type="importmap">(.*?)</script>', page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(import_map.encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'self' 'sha256-{digest}'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    )
