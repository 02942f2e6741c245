"""The plan of calls: what is not answered yet goes through Ray Data's HTTP processor; one worker, many requests.

One worker, since pace and budget are the run's and not a worker's; it waits for most of its time.
"""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from vimu.runtime.errors import OperationError, UserError
from vimu.runtime.interrupts import interruptible
from vimu.runtime.progress import tracked
from vimu.runtime.session import RaySettings, ray_session
from vimu.runtime.storage import absolute
from vimu.semantics.cache import Answer, Cache, request_key
from vimu.semantics.endpoint import Caller
from vimu.semantics.prompts import Message
from vimu.semantics.settings import EndpointSettings

BATCHES_OF = 16
"""Rows of a batch to a request under way: the last of a batch are waited for."""


@dataclass
class Calls:
    """Asks an endpoint what the cache does not know, and keeps the run's accounts."""

    settings: EndpointSettings
    cache: Cache
    run: str
    """Hash of the run, so that a resumed one knows what it has paid for."""
    prompt_version: str
    ray_settings: RaySettings
    asked: dict[str, Answer | None] = field(default_factory=dict)
    """Every request of the run so far."""
    sent: int = 0
    """Requests of this process, tries included: a killed part's are not known."""

    def ask(self, prompts: Iterable[list[Message]]) -> list[tuple[str | None, str]]:
        """Answers to prompts, in their order; None with the reason where there is none.

        Raises:
            UserError: no key, or the endpoint refuses it, the model or the address.
            OperationError: the endpoint is down, or the budget spent. What was answered is stored.
        """
        requests = [self._request(messages) for messages in prompts]
        keys = [key for key, _ in requests]
        missing = {}
        for key, request in requests:
            if self.asked.get(key) is None and key not in missing:
                self.asked[key] = self.cache.get(key)
                if self.asked[key] is None:
                    missing[key] = request
        problems = self._call(missing) if missing else {}
        for key in missing:
            self.asked[key] = self.cache.get(key)
        answers = [self.asked[key] for key in keys]
        return [
            (answer.content if answer else None, problems.get(key, ""))
            for key, answer in zip(keys, answers, strict=True)
        ]

    def accounts(self) -> dict[str, Any]:
        """Answers, tokens and cost of the run, a killed part's too; what other runs had paid for apart."""
        answers = [answer for answer in self.asked.values() if answer is not None]
        own = [answer for answer in answers if answer.run == self.run]
        tokens_in, tokens_out = sum(a.tokens_in for a in own), sum(a.tokens_out for a in own)
        cost = (tokens_in * self.settings.usd_per_million_in + tokens_out * self.settings.usd_per_million_out) / 1e6
        return {
            "model": self.settings.model,
            "prompt_version": self.prompt_version,
            "requests": len(self.asked),
            "paid_answers": len(own),
            "answers_of_other_runs": len(answers) - len(own),
            "without_answer": len(self.asked) - len(answers),
            "requests_sent": self.sent,
            "tokens_in": tokens_in,
            "tokens_out": tokens_out,
            "cost_usd": round(cost, 6),
        }

    def _request(self, messages: list[Message]) -> tuple[str, str]:
        body: dict[str, Any] = {
            "model": self.settings.model,
            "messages": messages,
            "temperature": self.settings.temperature,
            "max_tokens": self.settings.max_tokens,
        }
        if self.settings.seed is not None:
            body["seed"] = self.settings.seed
        if self.settings.json_mode:
            body["response_format"] = {"type": "json_object"}
        return request_key(body, self.prompt_version), json.dumps(body)

    def _call(self, missing: Mapping[str, str]) -> dict[str, str]:
        """Send what is missing; why there is no answer, by key."""
        name = self.settings.api_key_env
        if name is not None and not os.environ.get(name):
            raise UserError(
                f"`{name}` must be set in the environment to the endpoint's key, but is not. For an endpoint without a "
                "key: --set semantics.endpoint.api_key_env=null"
            )
        spent = sum(a.tokens for a in self.asked.values() if a is not None and a.run == self.run)
        caller = Caller(self.settings, absolute(self.cache.place), self.run, spent)
        problems = {}
        with ray_session(self.ray_settings), interruptible() as raise_if_interrupted:
            rows = _through_ray(caller, missing, self.settings)
            for row in tracked(rows, "calls", total=len(missing)):
                raise_if_interrupted()
                self.sent += int(row["calls"])
                if row["outcome"] == "refused":
                    raise UserError(f"The endpoint `{self.settings.base_url}` cannot be used: {row['detail']}")
                if row["outcome"] == "down":
                    raise OperationError(
                        f"The endpoint `{self.settings.base_url}` gave no answer to {self.settings.give_up_after} "
                        f"requests in a row, the last: {row['detail']}. Run the same command again when it does: what "
                        "was answered is stored."
                    )
                if row["outcome"] == "budget":
                    raise OperationError(
                        f"`token_budget` of {self.settings.token_budget:,} tokens does not suffice for the next call. "
                        "Give more with --set semantics.endpoint.token_budget=...: what was answered is stored."
                    )
                if row["outcome"] == "no_answer":
                    problems[row["key"]] = str(row["detail"])
        return problems


def _through_ray(caller: Caller, missing: Mapping[str, str], settings: EndpointSettings) -> Iterable[dict[str, Any]]:
    """Reports by key, as the requests end."""
    import ray
    from ray.data.llm import HttpRequestProcessorConfig, build_processor

    little = {"num_cpus": 0.01}  # all of it waits; a whole CPU each would be more than small machines have
    processor = build_processor(
        HttpRequestProcessorConfig(
            url=f"{settings.base_url.rstrip('/')}/chat/completions",
            session_factory=caller,
            batch_size=settings.concurrency * BATCHES_OF,
            concurrency=1,
            http_request_stage=little,
        ),
        preprocess=_payload,
        postprocess=_report,
        preprocess_map_kwargs=little,
        postprocess_map_kwargs=little,
    )
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    rows = [{"key": key, "request": request} for key, request in missing.items()]
    yield from processor(ray.data.from_items(rows, override_num_blocks=1)).iter_rows()


def _payload(row: dict[str, Any]) -> dict[str, Any]:
    return {"payload": {"key": row["key"], "request": row["request"]}}


def _report(row: dict[str, Any]) -> dict[str, Any]:
    return {"key": row["key"], **row["http_response"]}
