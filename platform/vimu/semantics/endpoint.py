"""Calls of an OpenAI-compatible endpoint, as the session of Ray Data's HTTP processor.

The processor (`ray.data.llm.HttpRequestProcessorConfig`) hands rows to a session of ours. By itself it sends one
request after another, waits a fixed time after 429 and 503 whatever `Retry-After` says, does not try 500 again, knows
no budget, and gives a batch's answers only when all of it is done: a kill, or one row that fails, loses answers that
were paid for. Its public setting `session_factory` is where this session comes in: it sends at once what may be under
way, keeps pace, tries again, counts tokens, and stores each answer before anybody sees it. What it returns to the
processor is a short report; the answers are in the cache.
"""

import asyncio
import json
import os
import time
from collections.abc import Awaitable
from dataclasses import dataclass, field
from importlib.util import find_spec
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

from vimu.runtime.errors import UserError
from vimu.runtime.storage import location
from vimu.semantics.cache import Answer, Cache
from vimu.semantics.pacing import BUSY, Budget, Pace, backoff_s, retry_after_s
from vimu.semantics.settings import EndpointSettings

if TYPE_CHECKING:
    import aiohttp

Outcome = Literal["stored", "no_answer", "refused", "budget", "down"]
"""`no_answer`: of this request, in all tries; `refused`, `budget`, `down`: the run must stop."""
CHARACTERS_PER_TOKEN = 3
"""Fewer than texts have: so that what is reserved of the budget is rather too much."""


def require_client() -> None:
    """Raise a UserError where the package that calls take is not installed."""
    if find_spec("aiohttp") is None:
        raise UserError(
            "`semantics.backend: openai` needs aiohttp, which must be installed: python -m pip install 'vimu[openai]'"
        )


@dataclass(frozen=True)
class Report:
    """What became of one request, as the processor expects a response: an async context with a status and JSON."""

    outcome: Outcome
    detail: str = ""
    calls: int = 0
    """Requests that were sent, tries included."""
    status: int = 200

    async def __aenter__(self) -> "Report":
        return self

    async def __aexit__(self, *error: object) -> None:
        return None

    async def json(self) -> dict[str, object]:
        """What the processor puts into the row."""
        return {"outcome": self.outcome, "detail": self.detail, "calls": self.calls}


class Fault(Exception):
    """One try that failed."""

    def __init__(self, detail: str, *, wait_s: float | None = None, final: bool = False) -> None:
        super().__init__(detail)
        self.detail, self.wait_s, self.final = detail, wait_s, final


@dataclass
class Caller:
    """The session factory: made by the driver, carried to the worker, where its state lasts from batch to batch."""

    settings: EndpointSettings
    cache: str
    """Where answers are kept: path or URI."""
    run: str
    """Hash of the run that pays."""
    spent: int
    """Tokens that the run has paid for before."""
    _state: "State | None" = field(default=None, repr=False)

    def __call__(self) -> "StoringSession":
        if self._state is None:
            self._state = State(self)
        return StoringSession(self._state)


class State:
    """What all requests of a worker share."""

    def __init__(self, caller: Caller) -> None:
        self.settings, self.run = caller.settings, caller.run
        self.cache = Cache(location(caller.cache))
        self.key = os.environ.get(caller.settings.api_key_env or "", "")
        self.slots = asyncio.Semaphore(caller.settings.concurrency)
        self.pace = Pace(caller.settings.requests_per_minute)
        self.budget = Budget(caller.settings.token_budget, caller.spent)
        self._settled = asyncio.Condition()
        self.unanswered = 0
        self.stopped: Report | None = None
        if caller.settings.api_key_env is not None and not self.key:
            where = "is not set where Ray's workers run: set it there too, or start no Ray before it is set"
            self.stopped = Report("refused", f"`{caller.settings.api_key_env}` {where}")

    async def reserve(self, tokens: int) -> bool:
        """Wait until the budget suffices; False where it does not although nothing is under way."""
        async with self._settled:
            while not self.budget.reserve(tokens):
                if not self.budget.under_way:
                    return False
                await self._settled.wait()
            return True

    async def settle(self, reserved: int, used: int) -> None:
        """A call has ended; who waits for the budget looks again."""
        async with self._settled:
            self.budget.settle(reserved, used)
            self._settled.notify_all()

    def masked(self, text: str) -> str:
        """Without the key, which endpoints quote in their errors, and not longer than a message should be."""
        return (text.replace(self.key, "***") if self.key else text)[:300]


class StoringSession:
    """Stands where the processor expects an `aiohttp.ClientSession`: it calls `post` and reads the response."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._http: aiohttp.ClientSession | None = None
        self._under_way: set[asyncio.Task[Report]] = set()

    async def __aenter__(self) -> "StoringSession":
        import aiohttp

        settings = self._state.settings
        self._http = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=settings.timeout_s),
            headers={"Authorization": f"Bearer {self._state.key}"} if settings.api_key_env is not None else {},
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._under_way:
            task.cancel()
        assert self._http is not None
        await self._http.close()

    def post(self, url: str, *, headers: object, data: str) -> Awaitable[Report]:
        """Begin a request now; what is returned ends with it. The processor would begin it when it waits for it."""
        del headers  # the processor's; the key is not for its rows
        payload = json.loads(data)
        task = asyncio.create_task(self._answered(url, payload["key"], payload["request"]))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return task

    async def _answered(self, url: str, key: str, request: str) -> Report:
        state = self._state
        async with state.slots:
            if state.cache.get(key) is not None:  # of a worker that died after it
                return Report("stored")
            if state.stopped is not None:
                return state.stopped
            reserved = len(request) // CHARACTERS_PER_TOKEN + state.settings.max_tokens
            if not await state.reserve(reserved):
                state.stopped = state.stopped or Report("budget")
                return state.stopped
            used = 0
            try:
                report, answer = await self._tried(url, key, request)
                if answer is not None:
                    used = answer.tokens
                    state.cache.put(key, request, answer)
            finally:
                await state.settle(reserved, used)
            state.unanswered = state.unanswered + 1 if report.outcome == "no_answer" else 0
            if state.unanswered >= state.settings.give_up_after:
                report = Report("down", report.detail, report.calls)
            if report.outcome in ("refused", "down"):
                state.stopped = Report(report.outcome, report.detail)
            return report

    async def _tried(self, url: str, key: str, request: str) -> tuple[Report, Answer | None]:
        """The answer, after as many tries as it takes and may take."""
        state, settings = self._state, self._state.settings
        last = Fault("")
        for nth in range(settings.max_tries):
            await state.pace.turn()
            if state.stopped is not None:
                return state.stopped, None
            try:
                answer = await self._once(url, request)
                return Report("stored", calls=nth + 1), answer
            except Fault as fault:
                last = fault
                if fault.final:
                    return Report("refused", fault.detail, nth + 1), None
            if nth + 1 < settings.max_tries:
                if last.wait_s is not None:
                    state.pace.pause(min(last.wait_s, settings.max_backoff_s))  # the endpoint is busy: all wait
                else:
                    wait = backoff_s(nth, base_s=settings.backoff_s, most_s=settings.max_backoff_s, key=key)
                    await asyncio.sleep(wait)
        return Report("no_answer", last.detail, settings.max_tries), None

    async def _once(self, url: str, request: str) -> Answer:
        """One request. Raises Fault: no answer that can be used."""
        import aiohttp

        assert self._http is not None
        try:
            sent = self._http.post(url, data=request.encode(), headers={"Content-Type": "application/json"})
            async with sent as response:
                body = await response.text(errors="replace")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Fault(self._state.masked(f"{type(error).__name__}: {error}")) from None
        detail = self._state.masked(f"{response.status}: {body}")
        if response.status in BUSY or response.status >= 500:
            out_of_credit = "insufficient_quota" in body  # OpenAI's 429 that no waiting mends
            wait_s = retry_after_s(response.headers.get("Retry-After"), time.time())
            raise Fault(detail, wait_s=wait_s, final=out_of_credit)
        if response.status in (400, 422):
            raise Fault(detail)  # of this request: the others may do
        if response.status != 200:
            raise Fault(detail, final=True)
        return self._read(body)

    def _read(self, body: str) -> Answer:
        """The endpoint's JSON. Raises Fault: truncated, or another protocol."""
        try:
            parsed: Any = json.loads(body)
            content = parsed["choices"][0]["message"]["content"]
            usage = parsed.get("usage") or {}
            tokens = (int(usage.get("prompt_tokens", 0)), int(usage.get("completion_tokens", 0)))
        except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
            raise Fault(self._state.masked(f"unreadable answer, {type(error).__name__}: {body}")) from None
        if not isinstance(content, str):
            raise Fault(self._state.masked(f"an answer without text: {body}"))
        return Answer(content, *tokens, self._state.run)
