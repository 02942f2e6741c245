"""Answers that were paid for, by what was asked: stored first, used afterwards, never asked for again.

An entry's name is the hash of the request: backend, model, parameters, prompt version, and the prompt with its rounded
features. Two windows that measure alike share an answer, and so do two runs.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vimu.runtime.storage import Location, write_whole


@dataclass(frozen=True)
class Answer:
    """One answer of an endpoint."""

    content: str
    tokens_in: int
    tokens_out: int
    run: str
    """Hash of the run that paid for it."""

    @property
    def tokens(self) -> int:
        """Asked and answered."""
        return self.tokens_in + self.tokens_out


def request_key(request: Mapping[str, Any], prompt_version: str) -> str:
    """The name of a request's answer.

    Args:
        request: the body that is sent: model, parameters, messages.
        prompt_version: of the prompt files.
    """
    asked = {"backend": "openai", "prompt_version": prompt_version, "request": request}
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


class Cache:
    """A folder, or a place in an object store, of answers."""

    def __init__(self, place: Location) -> None:
        self.place = place

    def get(self, key: str) -> Answer | None:
        """The answer, or None where there is none or its file is damaged: it is asked for again then."""
        try:
            entry = json.loads(self._file(key).read_bytes())
            if entry["key"] != key:
                return None
            answer = entry["answer"]
            return Answer(
                str(answer["content"]), int(answer["tokens_in"]), int(answer["tokens_out"]), str(answer["run"])
            )
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def put(self, key: str, request: str, answer: Answer) -> None:
        """Store an answer with what was asked. Whole or not at all."""
        entry = {"key": key, "answer": answer.__dict__, "request": json.loads(request)}
        write_whole(self._file(key), json.dumps(entry, indent=1))

    def _file(self, key: str) -> Location:
        return self.place / key[:2] / f"{key}.json"
