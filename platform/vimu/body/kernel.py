"""`SmplBody` as machine code: the same maths in blocks of frames, for what the sensors hang on only.

    poses (T, 3 joints) --turned over--> BLOCK frames side by side, one joint after the other:
        axis-angle -> R - I -+-> blendshapes: what its 9 numbers add to the offset of each sensor's vertex
                             +-> the chain of joints, where a sensor hangs on this one
    then skinning, one sensor after the other.

Loops over the frames of a block have a fixed length: they become vector instructions, and a frame's result does not
depend on its place in the block. All is float64 but the blendshapes' products: their sum is some centimetres, of which
float32 leaves 1e-9 m, and takes a third off the cost of 17 sensors.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Int

from vimu.body.models import SmplModel
from vimu.body.placement import Placement
from vimu.body.smpl import SmplBody
from vimu.contracts import SmplMotion, Trajectory
from vimu.runtime.compiled import compiled, plain

BLOCK = 264
"""Frames side by side, in the L2 cache. No multiple of 256: rows would all fall on the same lines of the L1 cache."""

NO_BEND_M = 1e-15
"""Pose directions below this count as zero: their float32 products would be denormal, and slow."""

FULL_TURN_2 = (2 * math.pi) ** 2
C0, C1, C2, C3, C4, C5, C6, C7, C8, C9, C10 = (
    1.0, -0.12499999999999979, 0.00260416666666646, -2.1701388888807127e-05, 9.688120038023888e-08,
    -2.691144435828973e-10, 5.096863048468479e-13, -7.001118620167234e-16, 7.290798623359169e-19,
    -5.918156657187461e-22, 3.4841765182481363e-25,
)  # fmt: skip
"""cos(angle / 2) as a polynomial of angle^2, up to 2 pi within 1e-15: Chebyshev's, fitted with 50 digits (mpmath)."""
S0, S1, S2, S3, S4, S5, S6, S7, S8, S9, S10 = (
    0.5, -0.02083333333333333, 0.0002604166666666621, -1.550099206347415e-06, 5.382288910571368e-09,
    -1.2232474754561022e-11, 1.9603321819357058e-14, -2.3337140855444085e-17, 2.1445109776957595e-20,
    -1.55919293333237e-23, 8.381679952397465e-27,
)  # fmt: skip
"""sin(angle / 2) / angle, alike. Neither needs a root, nor a case of its own at zero."""


class Rig(NamedTuple):
    """What the compiled code needs of a body, for poses of one width. A slot keeps a joint that sensors hang on."""

    column: Int[np.ndarray, " joints"]
    """Where each joint's axis-angle begins in a row of poses; -1: it stays at rest."""
    slot: Int[np.ndarray, " joints"]
    """-1: no sensor hangs on the joint; it only bends the skin."""
    parent: Int[np.ndarray, " joints"]
    """Slot of the parent; the root's is the file's world, one beyond the others."""
    posedirs: Float32[np.ndarray, "joints 3*sensors 9"]
    first_term: Int[np.ndarray, " sensors+1"]
    """Where each sensor's skinning weights begin among the terms."""
    term_slot: Int[np.ndarray, " terms"]
    term_weight: Float[np.ndarray, " terms"]
    segment: Int[np.ndarray, " sensors"]
    """Slot of the joint that gives a sensor's orientation."""


class CompiledSmplBody(SmplBody):
    """`SmplBody`, some 30 times faster."""

    def __init__(self, model: SmplModel, placements: Sequence[Placement]) -> None:
        super().__init__(model, placements)
        hung_on = set[int]()
        for joint in (*np.flatnonzero(self._weights.any(axis=0)), *self._segments):
            while joint >= 0 and joint not in hung_on:
                hung_on.add(int(joint))
                joint = self._parents[joint]
        self._hung_on = sorted(hung_on)
        self._rigs: dict[int, Rig] = {}

    def trajectory(self, motion: SmplMotion) -> Trajectory:
        """As `SmplBody.trajectory`, within 1e-7 m and 1e-12 in rotation entries."""
        n_frames, n_joints, _ = motion.poses.shape
        vertices, joints = self._shaped(motion.betas)
        position = np.empty((n_frames, len(self.sensors), 3))
        orientation = np.empty((n_frames, len(self.sensors), 9))
        if n_joints not in self._rigs:
            self._rigs[n_joints] = self._rig(n_joints)
        bones = joints - np.concatenate([np.zeros((1, 3)), joints[list(self._parents[1:])]])
        _pose(
            plain(motion.poses.reshape(n_frames, -1)), plain(motion.trans), plain(motion.to_canonical.reshape(9)),
            self._rigs[n_joints], vertices, joints[self._hung_on], bones, position, orientation,
        )  # fmt: skip
        return Trajectory(position, orientation.reshape(n_frames, -1, 3, 3), motion.rate_hz, self.sensors)

    def _rig(self, n_joints: int) -> Rig:
        slots = {joint: slot for slot, joint in enumerate(self._hung_on)} | {-1: len(self._hung_on)}
        sensor, joint = np.nonzero(self._weights)
        bends = self._posedirs.reshape(3 * len(self.sensors), -1, 9).swapaxes(0, 1)
        return Rig(
            column=np.array([-1 if source is None else 3 * source for source in self._sources(n_joints)]),
            slot=np.array([slots.get(j, -1) for j in range(len(self._parents))]),
            parent=np.array([slots.get(parent, -1) for parent in self._parents]),
            posedirs=np.concatenate([0 * bends[:1], np.where(np.abs(bends) < NO_BEND_M, 0, bends)]).astype(np.float32),
            first_term=np.searchsorted(sensor, np.arange(len(self.sensors) + 1)),
            term_slot=np.array([slots[int(j)] for j in joint]),
            term_weight=self._weights[sensor, joint],
            segment=np.array([slots[j] for j in self._segments]),
        )


@compiled
def _pose(
    poses: Float[np.ndarray, "T 3*joints"],
    trans: Float[np.ndarray, "T 3"],
    to_canonical: Float[np.ndarray, "9"],
    rig: Rig,
    vertices: Float[np.ndarray, "sensors 3"],
    rest: Float[np.ndarray, "slots 3"],
    bones: Float[np.ndarray, "joints 3"],
    position: Float[np.ndarray, "T sensors 3"],
    orientation: Float[np.ndarray, "T sensors 9"],
) -> None:
    """Fill `position` and `orientation`. `rest` is where the slots' joints are, `bones` from parent to joint, m."""
    n_frames, n_sensors, world = len(poses), len(vertices), len(rest)
    vector, local, bend = np.zeros((3, BLOCK)), np.zeros((9, BLOCK)), np.empty((9, BLOCK), np.float32)
    angles = np.zeros((len(rig.column), 3, BLOCK))
    turn, place = np.empty((world + 1, 9, BLOCK)), np.zeros((world + 1, 3, BLOCK))
    offset, skin, moved = np.empty((3 * n_sensors, BLOCK), np.float32), np.empty((3, BLOCK)), np.empty((3, BLOCK))
    for i in range(9):
        turn[world, i] = to_canonical[i]
    for start in range(0, n_frames, BLOCK):
        n = min(BLOCK, n_frames - start)  # beyond n stands what was there before: computed, and not written
        for t in range(n):
            for a in range(3):
                vector[a, t] = trans[start + t, a]
        for a in range(3):  # not part of the chain: skinning weights sum to 1 only to rounding
            x, y, z = to_canonical[3 * a], to_canonical[3 * a + 1], to_canonical[3 * a + 2]
            for t in range(BLOCK):
                moved[a, t] = x * vector[0, t] + y * vector[1, t] + z * vector[2, t]
        for t in range(n):  # frame after frame, as they lie in memory: it is far away
            for joint, column in enumerate(rig.column):
                if column >= 0:
                    for a in range(3):
                        angles[joint, a, t] = poses[start + t, column + a]
        offset[:] = 0
        for joint in range(len(rig.column)):
            slot = rig.slot[joint]
            if rig.column[joint] < 0:
                local[:] = 0
            else:
                _rotation_less_identity(angles[joint], local)
                bend[:] = local
                _add_bend(rig.posedirs[joint], bend, offset)
            if slot >= 0:
                parent = rig.parent[joint]
                _chain(turn[parent], place[parent], bones[joint], local, turn[slot], place[slot])
        for k in range(n_sensors):
            skin[:] = moved
            for term in range(rig.first_term[k], rig.first_term[k + 1]):
                slot = rig.term_slot[term]
                _add_skin(
                    rig.term_weight[term], turn[slot], place[slot], vertices[k] - rest[slot],
                    offset[3 * k : 3 * k + 3], skin,
                )  # fmt: skip
            segment = turn[rig.segment[k]]
            for t in range(n):
                for a in range(3):
                    position[start + t, k, a] = skin[a, t]
                for i in range(9):
                    orientation[start + t, k, i] = segment[i, t]


@compiled
def _rotation_less_identity(vector: Float[np.ndarray, "3 BLOCK"], out: Float[np.ndarray, "9 BLOCK"]) -> None:
    """Rodrigues' formula by half angles: with q = (cos(angle/2), sin(angle/2) axis), R - I holds products of two."""
    beyond = False
    for t in range(BLOCK):
        x, y, z = vector[0, t], vector[1, t], vector[2, t]
        u = x * x + y * y + z * z
        beyond |= u > FULL_TURN_2
        c = C7 + u * (C8 + u * (C9 + u * C10))
        c = C0 + u * (C1 + u * (C2 + u * (C3 + u * (C4 + u * (C5 + u * (C6 + u * c))))))
        s = S7 + u * (S8 + u * (S9 + u * S10))
        s = S0 + u * (S1 + u * (S2 + u * (S3 + u * (S4 + u * (S5 + u * (S6 + u * s))))))
        _store(c, s * x, s * y, s * z, out, t)
    if beyond:
        for t in range(BLOCK):
            x, y, z = vector[0, t], vector[1, t], vector[2, t]
            if x * x + y * y + z * z > FULL_TURN_2:
                most = max(abs(x), abs(y), abs(z))  # taken out, so that no finite angle overflows as a square
                angle = most * math.sqrt((x / most) ** 2 + (y / most) ** 2 + (z / most) ** 2)
                s = math.sin(angle / 2)
                _store(math.cos(angle / 2), s * (x / angle), s * (y / angle), s * (z / angle), out, t)


@compiled
def _store(w: float, x: float, y: float, z: float, out: Float[np.ndarray, "9 BLOCK"], t: int) -> None:
    out[0, t], out[1, t], out[2, t] = -2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)
    out[3, t], out[4, t], out[5, t] = 2 * (x * y + w * z), -2 * (x * x + z * z), 2 * (y * z - w * x)
    out[6, t], out[7, t], out[8, t] = 2 * (x * z - w * y), 2 * (y * z + w * x), -2 * (x * x + y * y)


@compiled
def _add_bend(
    directions: Float32[np.ndarray, "rows 9"],
    bend: Float32[np.ndarray, "9 BLOCK"],
    offset: Float32[np.ndarray, "rows BLOCK"],
) -> None:
    """offset += directions @ bend, all nine terms to one pass over `offset`."""
    for row in range(len(directions)):
        d = directions[row]
        for t in range(BLOCK):
            offset[row, t] += (
                (d[0] * bend[0, t] + d[1] * bend[1, t] + d[2] * bend[2, t])
                + (d[3] * bend[3, t] + d[4] * bend[4, t] + d[5] * bend[5, t])
                + (d[6] * bend[6, t] + d[7] * bend[7, t] + d[8] * bend[8, t])
            )


@compiled
def _chain(
    turn: Float[np.ndarray, "9 BLOCK"],
    place: Float[np.ndarray, "3 BLOCK"],
    bone: Float[np.ndarray, "3"],
    local: Float[np.ndarray, "9 BLOCK"],
    out_turn: Float[np.ndarray, "9 BLOCK"],
    out_place: Float[np.ndarray, "3 BLOCK"],
) -> None:
    """A joint's turn and place from its parent's: turn R = turn + turn (R - I)."""
    for a in range(3):
        for t in range(BLOCK):
            x, y, z = turn[3 * a, t], turn[3 * a + 1, t], turn[3 * a + 2, t]
            out_place[a, t] = place[a, t] + x * bone[0] + y * bone[1] + z * bone[2]
            out_turn[3 * a, t] = x + (x * local[0, t] + y * local[3, t] + z * local[6, t])
            out_turn[3 * a + 1, t] = y + (x * local[1, t] + y * local[4, t] + z * local[7, t])
            out_turn[3 * a + 2, t] = z + (x * local[2, t] + y * local[5, t] + z * local[8, t])


@compiled
def _add_skin(
    weight: float,
    turn: Float[np.ndarray, "9 BLOCK"],
    place: Float[np.ndarray, "3 BLOCK"],
    arm: Float[np.ndarray, "3"],
    offset: Float32[np.ndarray, "3 BLOCK"],
    skin: Float[np.ndarray, "3 BLOCK"],
) -> None:
    """skin += weight (place + turn (arm + offset)): linear blend skinning, a joint's share of it."""
    for t in range(BLOCK):
        x, y, z = arm[0] + offset[0, t], arm[1] + offset[1, t], arm[2] + offset[2, t]
        for a in range(3):
            skin[a, t] += weight * (place[a, t] + turn[3 * a, t] * x + turn[3 * a + 1, t] * y + turn[3 * a + 2, t] * z)
