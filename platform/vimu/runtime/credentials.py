"""Passwords and keys that somebody wrote into a URI: told before any message, manifest or dump repeats them."""

import re
from collections.abc import Mapping

from vimu.runtime.errors import UserError

WITH_CREDENTIALS = re.compile(r"([A-Za-z][\w+.-]+:{1,2})+/*([^/@]*@|[^/@:]*:(?!\d+/)[^@]*@)")
"""`s3://KEY:SECRET@bucket`; also where the secret has a slash, as AWS has them, where slashes are missing, and behind
another scheme (`simplecache::s3://...`). Not `hdfs://host:8020/a@b`."""
SIGNED = re.compile(
    r"[A-Za-z][\w+.-]+:.*[?&#](X-(Amz|Goog)-|([\w-]*[_-])?(key|password|secret|sig|signature|token)=)", re.IGNORECASE
)
"""`https://host/file?X-Amz-Signature=...`, `?sig=...`, `#access_token=...`: whoever has such a URI may read."""


def has_credentials(text: str) -> bool:
    """Whether a URI holds a password, a key or a signature."""
    return bool(WITH_CREDENTIALS.match(text) or SIGNED.match(text))


def require_none(given: object, at: str = "") -> None:
    """Refuse settings that hold a URI with credentials anywhere, without repeating it.

    Args:
        given: as YAML has it.
        at: dotted key of `given`, for the message.

    Raises:
        UserError: one does; the message names the key.
    """
    items = given.items() if isinstance(given, Mapping) else enumerate(given) if isinstance(given, list) else ()
    for key, value in items:
        require_none(value, f"{at}.{key}" if at else str(key))
    if isinstance(given, str) and not re.search(r"\s", given) and has_credentials(given):
        raise UserError(with_credentials(f"`{at}`"))


def with_credentials(what: str) -> str:
    """The message for `what`, which holds some."""
    return (
        f"{what} must be a folder or a URI without credentials, which would stand in every manifest and message, but "
        "has some before its `@` or after its `?`. They come from the environment, e.g. `AWS_ACCESS_KEY_ID`, "
        "`AWS_PROFILE`."
    )
