"""Functions by name: vimu's own, and those that installed packages register as entry points.

A YAML file picks a name; it cannot say what to import. So neither data nor configuration can make code run that nobody
installed on purpose.
"""

from collections.abc import Mapping
from importlib.metadata import EntryPoint, EntryPoints, entry_points
from typing import Generic, TypeVar, cast

from vimu.runtime.errors import UserError, listed

F = TypeVar("F")


class Registry(Generic[F]):
    """One kind of function. Nothing is imported before it is asked for."""

    def __init__(self, group: str, own: Mapping[str, str]) -> None:
        """`own` is name -> `module:function`; other packages register theirs under the entry-point `group`."""
        self.group = group
        self._own = {name: EntryPoint(name, value, group) for name, value in own.items()}
        self._loaded: dict[str, F] = {}

    def names(self) -> tuple[str, ...]:
        """All there are on this machine, sorted."""
        return tuple(sorted({*self._own, *entry_points(group=self.group).names}))

    def is_own(self, name: str) -> bool:
        """Whether it is one of vimu's, whose results need no check."""
        return name in self._own

    def check(self, name: str) -> str:
        """`name`, for use in a validator. Raises ValueError: there is none; the message says which there are."""
        if name not in self._own and not self._installed(name):
            raise ValueError(
                f"must be one of {listed(self.names(), 40)}, or be registered by a package that is installed here, as "
                f"an entry point of `{self.group}` (see docs/archives.md)"
            )
        return name

    def source(self, name: str) -> str:
        """Whose it is, for a manifest: `vimu`, or the package with its version."""
        if name in self._own:
            return "vimu"
        dist = self._installed(name)[name].dist
        return "unknown" if dist is None else f"{dist.name} {dist.version}"

    def __getitem__(self, name: str) -> F:
        """The function.

        Raises:
            UserError: there is none of that name, several packages register one, or it cannot be imported.
        """
        if name not in self._loaded:
            self._loaded[name] = self._load(name)
        return self._loaded[name]

    def _load(self, name: str) -> F:
        try:
            self.check(name)
        except ValueError as error:
            raise UserError(f"`reader` {error}, but is `{name}`.") from None
        installed = self._installed(name)
        if len(installed) + (name in self._own) > 1:
            owners = ["vimu"] * (name in self._own) + [e.dist.name for e in installed if e.dist is not None]
            raise UserError(f"reader `{name}` must be registered once, but is by {listed(owners)}: uninstall one.")
        entry = self._own[name] if name in self._own else installed[name]
        try:
            function = entry.load()
        except (ImportError, AttributeError) as error:
            raise UserError(f"reader `{name}` must be importable as `{entry.value}`, but is not: {error}.") from error
        if not callable(function):
            raise UserError(f"reader `{name}` must be a function, but `{entry.value}` is {type(function).__name__}.")
        return cast(F, function)

    def _installed(self, name: str) -> EntryPoints:
        return entry_points(group=self.group, name=name)
