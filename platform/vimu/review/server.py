"""The server of the review page: files, clips, scores, and the decisions that come back."""

import asyncio
import json
import socket
from collections.abc import Callable
from importlib.resources import files
from typing import Any

from aiohttp import web

from vimu.clips.decisions import Decision
from vimu.review.book import Change
from vimu.review.guard import Guard, content_policy, guarded
from vimu.review.review import Review
from vimu.review.takes import NotThereError
from vimu.review.wire import packed
from vimu.runtime.errors import OperationError, UserError

TYPES = {"js": "text/javascript", "css": "text/css"}
LONGEST_IN_LIST = 1000
"""Characters of a text in the list, and in its search."""
LONGEST = 20_000
"""Characters of a text of the chosen clip."""
LARGEST_REQUEST = 64 * 1024


class Server:
    """Answers of one review."""

    def __init__(self, review: Review, port: int) -> None:
        self.review = review
        self.guard = Guard(port)
        folder = files("vimu.review") / "page"
        self._page = (folder / "index.html").read_text(encoding="utf-8")
        self._files = {
            entry.name: entry.read_bytes()
            for place in (folder, folder / "vendor")
            for entry in place.iterdir()
            if entry.name.rpartition(".")[2] in TYPES
        }
        self._changing = asyncio.Lock()

    def app(self) -> web.Application:
        """The routes, guarded."""
        guard = guarded(self.guard, content_policy(self._page))
        app = web.Application(middlewares=[guard], client_max_size=LARGEST_REQUEST)
        app.add_routes(
            [
                web.get("/", self.page), web.get("/page/{name}", self.file), web.get("/api/run", self.run),
                web.get("/api/doubts", self.doubts), web.get(r"/api/clips/{clip:\d{1,9}}", self.clip),
                web.get(r"/api/clips/{clip:\d{1,9}}/signals", self.signals),
                web.get(r"/api/clips/{clip:\d{1,9}}/take", self.take), web.post("/api/decide", self.decide),
                web.post("/api/clear", self.clear), web.post("/api/undo", self.undo),
            ]
        )  # fmt: skip
        return app

    async def page(self, request: web.Request) -> web.Response:
        """The page, with the token that its changes need; first, the key out of the address into a cookie."""
        if "key" in request.query:
            return self.guard.admit(web.Response(status=303, headers={"Location": "/"}))
        text = self._page.replace("{{token}}", self.guard.token)
        return web.Response(text=text, content_type="text/html")

    async def file(self, request: web.Request) -> web.Response:
        """One of the page's files, by name: names are looked up, never joined to a path."""
        name = request.match_info["name"]
        if name not in self._files:
            raise web.HTTPNotFound
        return web.Response(body=self._files[name], content_type=TYPES[name.rpartition(".")[2]], charset="utf-8")

    async def run(self, _: web.Request) -> web.Response:
        """What does not change, all clips for the list, and the decisions."""
        catalogue = self.review.catalogue
        return web.json_response(
            {
                "run": str(catalogue.run), "by": self.review.by, "file": str(self.review.book.file),
                "synthetic": bool(catalogue.published.details["synthetic"]), "categories": catalogue.categories,
                "clips": catalogue.listing(LONGEST_IN_LIST),
            }
            | self._decided()
        )  # fmt: skip

    async def doubts(self, _: web.Request) -> web.Response:
        """What speaks against each clip, once it is known."""
        return web.json_response(self.review.doubts.state())

    async def clip(self, request: web.Request) -> web.Response:
        """All of one clip's row that is no number of thousands."""
        row = self.review.catalogue.rows[self._number(request)]
        shown = {name: value for name, value in row.items() if name != "statistics"}
        texts = {name: value[:LONGEST] for name, value in shown.items() if isinstance(value, str)}
        return web.json_response(shown | texts | {"notes": [note[:LONGEST] for note in row["notes"]]})

    async def signals(self, request: web.Request) -> web.Response:
        """What the sensors measured."""
        number = self._number(request)
        try:
            recording = await asyncio.to_thread(self.review.catalogue.recording, number)
        except UserError as error:
            return web.json_response({"error": str(error)}, status=404)
        assert recording.gyr is not None
        header = {"rate_hz": recording.rate_hz, "sensors": recording.sensors, "n_frames": recording.n_frames}
        return web.Response(body=packed(header, {"acc": recording.acc, "gyr": recording.gyr}))

    async def take(self, request: web.Request) -> web.Response:
        """The body that moves, from the mocap file."""
        number = self._number(request)
        try:
            shown = await asyncio.to_thread(self.review.takes.shown, number)
        except NotThereError as error:
            return web.json_response({"error": str(error)}, status=404)
        return web.Response(body=await asyncio.to_thread(packed, shown.header, shown.arrays))

    async def decide(self, request: web.Request) -> web.Response:
        """Write a decision: `{clip, decision, value, note}`."""
        asked = await self._asked(request)
        row = self.review.catalogue.rows[self._clip(asked.get("clip"))]
        texts = [asked.get(name, "") for name in ("decision", "value", "note")]
        if not all(isinstance(text, str) for text in texts):
            raise web.HTTPBadRequest(reason="`decision`, `value` and `note` must be text.")
        decision = Decision(row["archive"], row["sequence"], texts[0], texts[1], self.review.by, texts[2])
        return await self._change(lambda: self.review.decide(decision))

    async def clear(self, request: web.Request) -> web.Response:
        """Take both decisions on a clip back: `{clip}`."""
        asked = await self._asked(request)
        row = self.review.catalogue.rows[self._clip(asked.get("clip"))]
        return await self._change(lambda: self.review.book.clear(row["archive"], row["sequence"]))

    async def undo(self, request: web.Request) -> web.Response:
        """Set the last change back."""
        await self._asked(request)
        return await self._change(self.review.book.undo)

    async def _change(self, change: Callable[[], Change | None]) -> web.Response:
        async with self._changing:
            try:
                done = await asyncio.to_thread(change)
                return web.json_response(self._decided() | {"changed": None if done is None else list(done.key)})
            except (OperationError, OSError) as error:
                return web.json_response({"error": f"Nothing is saved: {error}"}, status=500)

    def _decided(self) -> dict[str, Any]:
        return {"decisions": [vars(decision) for decision in self.review.book.decisions().values()]}

    def _number(self, request: web.Request) -> int:
        return self._clip(int(request.match_info["clip"]))

    def _clip(self, number: object) -> int:
        if type(number) is not int or not 0 <= number < len(self.review.catalogue):
            raise web.HTTPNotFound(reason="There is no such clip.")
        return number

    async def _asked(self, request: web.Request) -> dict[str, Any]:
        try:
            asked = json.loads(await request.text())
        except (ValueError, UnicodeDecodeError):
            asked = None
        if request.content_type != "application/json" or not isinstance(asked, dict):
            raise web.HTTPBadRequest(reason="The request must be a JSON mapping.")
        return asked


async def start(review: Review, port: int) -> tuple[web.AppRunner, str]:
    """Serve on 127.0.0.1; the runner, and the address. `port` 0 takes a free one. Raises UserError: it is taken."""
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(("127.0.0.1", port))
    except OSError as error:
        listening.close()
        raise UserError(f"`--port` must be a free port, but {port} is not: {error.strerror}.") from error
    server = Server(review, int(listening.getsockname()[1]))
    runner = web.AppRunner(server.app(), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    await web.SockSite(runner, listening).start()
    return runner, server.guard.address
