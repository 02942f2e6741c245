"""Which columns of a Parquet file may be looked at: numbers, text, lists of them, and Arrow's own tensors.

Once Ray Data is imported, Arrow knows Ray's extension types, one of which is a pickle a value, undone where the value
is read. A published folder that came from a stranger may hold such a column.
"""

import pyarrow as pa

from vimu.runtime.errors import UserError

KNOWN = frozenset({"arrow.fixed_shape_tensor"})
"""Extension types that hold numbers."""
EXTENSION_KEY = b"ARROW:extension:name"
"""Where a field says its extension type to those who do not know it."""


def require_plain(schema: pa.Schema, where: object) -> None:
    """Refuse, before a value is read, columns of extension types, whose values may be of any making.

    Raises:
        UserError: one of them; the message names the column and its type.
    """
    for field in schema:
        if (name := _foreign(field)) is not None:
            raise UserError(
                f"`{where}` must hold numbers and text, but its column `{field.name}` is of `{name}`, values of which "
                "may run code when they are read. Nothing of it was read: delete the folder, and make it yourself."
            )


def _foreign(field: pa.Field) -> str | None:
    """The extension type of a column, or of something in it, unless it is known; None where there is none."""
    kind = field.type
    stated = (field.metadata or {}).get(EXTENSION_KEY, b"").decode(errors="replace")
    name = kind.extension_name if isinstance(kind, pa.BaseExtensionType) else stated
    if name:
        return None if name in KNOWN else str(name)
    return next((found for i in range(kind.num_fields) if (found := _foreign(kind.field(i))) is not None), None)
