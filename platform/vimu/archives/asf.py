"""The skeleton of an ASF file: bones, their axes and degrees of freedom, without recursion.

Source: "Motion Capture File Formats Explained", M. Meredith and S. Maddock, University of Sheffield, 2001; Acclaim's
format as the CMU Graphics Lab uses it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from vimu.archives.bvh_tree import MAX_NUMBER
from vimu.contracts import Reason, Rejection

MAX_BYTES = 2**20
"""CMU's 30 bones take 7 kB."""

DOFS = ("tx", "ty", "tz", "rx", "ry", "rz")
ROOT = "root"


@dataclass(frozen=True)
class Bone:
    """A bone: a joint where it starts, and the way to where it ends."""

    name: str
    parent: int
    """Index among the skeleton's bones, -1 for the root."""
    vector: Float[np.ndarray, "3"]
    """From its start to its end in the rest pose, in the skeleton's axes and the file's length unit."""
    axis_deg: Float[np.ndarray, "3"]
    """Turns that bring the skeleton's axes to those its degrees of freedom turn about."""
    axis_order: str
    """Order of those turns about fixed axes, e.g. `xyz`."""
    dof: tuple[str, ...]
    """Of DOFS, in the order of the motion file's columns. Only the root has translations."""


@dataclass(frozen=True)
class AsfSkeleton:
    bones: tuple[Bone, ...]
    """The root first, parents before children."""
    inches_per_unit: float
    degrees: bool


def read_asf(path: Path) -> AsfSkeleton:
    """Read the skeleton; masses and limits are not read.

    Raises:
        Rejection: `unreadable`, `oversized`, or `non_finite` for a number that is no length or angle.
    """
    name = str(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise Rejection(name, Reason.OVERSIZED, f"{path.stat().st_size:,} bytes, the limit is {MAX_BYTES:,}")
        text = re.sub(r"#.*", "", path.read_bytes().decode("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise Rejection(name, Reason.UNREADABLE, f"{type(error).__name__}: {error}") from error
    sections = {
        part.split(None, 1)[0].lower(): part for part in re.split(r"^[ \t]*:", text, flags=re.M)[1:] if part.strip()
    }
    lacking = [s for s in ("root", "bonedata", "hierarchy") if s not in sections]
    if lacking:
        raise Rejection(name, Reason.UNREADABLE, f"has no section :{', :'.join(lacking)}")
    units = _fields(sections.get("units", "").split()[1:], ("mass", "length", "angle"))
    length = _numbers(name, "length", units.get("length", ["1"]), 1)[0]
    if length < 1 / MAX_NUMBER:
        raise Rejection(name, Reason.NON_FINITE, f"`length {length}` must be greater than 0")
    bones = {b.name: b for b in _bones(name, sections["bonedata"])}
    bones[ROOT] = _root(name, sections["root"])
    return AsfSkeleton(
        bones=_in_order(name, bones, sections["hierarchy"]),
        inches_per_unit=1 / length,
        degrees=units.get("angle", ["deg"])[:1] == ["deg"],
    )


def _bones(path: str, text: str) -> list[Bone]:
    bones: list[Bone] = []
    taken = {ROOT}
    for block in re.split(r"\bbegin\b", text)[1:]:
        words = block.split()
        if "end" not in words:
            raise Rejection(path, Reason.UNREADABLE, f"bone {len(bones)} has no end")
        fields = _fields(
            words[: words.index("end")],
            ("id", "name", "direction", "length", "axis", "dof", "limits", "bodymass", "cofmass"),
        )
        bone = " ".join(fields.get("name", []))
        if not bone or bone in taken:
            raise Rejection(
                path, Reason.UNREADABLE, f"bone {len(bones)} must have a name of its own, but has `{bone[:40]}`"
            )
        taken.add(bone)
        length = _numbers(path, f"length of {bone}", fields.get("length", []), 1)
        axis = fields.get("axis", ["0", "0", "0", "XYZ"])
        dof = tuple(word.lower() for word in fields.get("dof", []))
        if len(set(dof)) != len(dof) or not set(dof) <= set(DOFS[3:]):
            detail = f"`dof {' '.join(dof)[:40]}` of {bone} must be different ones of rx, ry, rz"
            raise Rejection(path, Reason.UNREADABLE, detail)
        bones.append(
            Bone(
                name=bone,
                parent=-1,
                vector=length * _numbers(path, f"direction of {bone}", fields.get("direction", []), 3),
                axis_deg=_numbers(path, f"axis of {bone}", axis[:3], 3),
                axis_order=_order(path, axis[3:]),
                dof=dof,
            )
        )
    return bones


def _root(path: str, text: str) -> Bone:
    fields = _fields(text.split()[1:], ("order", "axis", "position", "orientation"))
    dof = tuple(word.lower() for word in fields.get("order", []))
    if sorted(dof) != sorted(DOFS):
        raise Rejection(
            path, Reason.UNREADABLE, f"`order {' '.join(dof)[:40]}` of the root must hold TX TY TZ RX RY RZ once"
        )
    return Bone(
        name=ROOT,
        parent=-1,
        vector=np.zeros(3),
        axis_deg=_numbers(path, "orientation of the root", fields.get("orientation", ["0"] * 3), 3),
        axis_order=_order(path, fields.get("axis", ["XYZ"])),
        dof=dof,
    )


def _in_order(path: str, bones: Mapping[str, Bone], text: str) -> tuple[Bone, ...]:
    """The bones from the root outwards, with their parents."""
    children: dict[str, list[str]] = {}
    for line in text.splitlines()[1:]:
        parent, *listed = line.split() or [""]
        if parent not in {"", "begin", "end"}:
            children.setdefault(parent, []).extend(listed)
    named = [child for listed in children.values() for child in listed]
    unknown = sorted((set(named) | set(children)) - set(bones))
    if unknown or len(set(named)) != len(named) or ROOT in named:
        detail = f"unknown: {', '.join(unknown)[:80]}" if unknown else "a bone hangs on two, or the root on one"
        raise Rejection(path, Reason.UNREADABLE, f"the hierarchy is no tree of the bones ({detail})")
    ordered, index = [bones[ROOT]], 0
    while index < len(ordered):
        for child in children.get(ordered[index].name, []):
            b = bones[child]
            ordered.append(Bone(b.name, index, b.vector, b.axis_deg, b.axis_order, b.dof))
        index += 1
    if len(ordered) < len(bones):
        adrift = sorted(set(bones) - {b.name for b in ordered})
        raise Rejection(path, Reason.UNREADABLE, f"the hierarchy does not reach {', '.join(adrift)[:80]}")
    return tuple(ordered)


def _fields(words: list[str], known: tuple[str, ...]) -> dict[str, list[str]]:
    """Each known word with the words that follow it."""
    fields: dict[str, list[str]] = {}
    current: list[str] = []
    for word in words:
        if word in known:
            current = fields.setdefault(word, [])
        else:
            current.append(word)
    return fields


def _numbers(path: str, what: str, words: list[str], n: int) -> Float[np.ndarray, " n"]:
    try:
        values = np.array([float(word) for word in words])
    except ValueError:
        values = np.empty(0)
    if len(values) != n:
        raise Rejection(path, Reason.UNREADABLE, f"{what[:60]} must be {n} numbers, but is `{' '.join(words)[:60]}`")
    if not (np.abs(values) < MAX_NUMBER).all():
        raise Rejection(
            path, Reason.NON_FINITE, f"{what[:60]} is `{' '.join(words)[:60]}`, neither a length nor an angle"
        )
    return values


def _order(path: str, words: list[str]) -> str:
    order = "".join(words).lower()
    if sorted(order) != ["x", "y", "z"]:
        raise Rejection(path, Reason.UNREADABLE, f"an axis order must hold X, Y and Z once, but is `{order[:20]}`")
    return order
