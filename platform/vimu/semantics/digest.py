"""Files of `configs/semantics` by what they say, so that a changed one is another run."""

import hashlib

from vimu.runtime.config import Section


class Digested(Section):
    """A file's contents."""

    @property
    def digest(self) -> str:
        """Of all that the file says, not of how it is laid out: two that agree make the same texts."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:12]
