"""The style each clip was performed in, as the archive's YAML finds it in the clip's path."""

import re

from vimu.archives.config import load_archive
from vimu.runtime.errors import UserError, listed
from vimu.runtime.published import Published


def styles_of(synthesized: Published) -> dict[str, str]:
    """`dataset:clip_id`, as windows name their source -> style, for clips whose path has one.

    Raises:
        UserError: no archive's YAML says how to find a style, or no clip's path has one.
    """
    archives = [load_archive(given["archive"]) for given in synthesized.manifest["identity"]["settings"]["inputs"]]
    patterns = {archive.name: archive.style for archive in archives if archive.style is not None}
    if not patterns:
        raise UserError(
            f"`crossval.virtual_splits` must do without styles, for the YAML of {listed(a.name for a in archives)} has "
            "no `style`, but holds `styles`."
        )
    styles = {}
    for file in synthesized.files("clips/"):
        for row in file.columns(["clip_id", "archive", "sequence"]).to_pylist():
            pattern = patterns.get(row["archive"])
            found = None if pattern is None else re.search(pattern, row["sequence"])
            if found is not None:
                styles[f"{row['archive']}:{row['clip_id']}"] = found["style"]
    if not styles:
        raise UserError("`style` of the archive's YAML must fit the path of a clip, but fits none.")
    return styles
