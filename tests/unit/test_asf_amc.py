"""ASF/AMC: CMU's files against the same take as BVH, known turns by hand, and every malformed input."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from skeleton_probe import LEFT, UP, Body, dot

import vimu
from asf_text import ASF
from vimu.archives import asf_amc
from vimu.archives.asf import read_asf
from vimu.archives.asf_amc import read_amc
from vimu.archives.bvh import read_bvh
from vimu.archives.config import ArchiveConfig, load_archive
from vimu.contracts import Reason, Rejection, SkeletonMotion

CONFIG = ArchiveConfig(
    name="test", reader="asf_amc", licence="none", evidence="made up", unit_m=0.0254, up="+y", rate_hz=120,
    segments={"pelvis": {"joint": "root", "end": "shin", "left": "+x", "up": "+y"}},
)  # fmt: skip
AMC = "#!OML:ASF made up\n:FULLY-SPECIFIED\n:DEGREES\n" + "".join(
    f"{i}\nroot {i} 18 0 0 {10 * i} 0\nthigh {5 * i} 0 30\n" for i in range(1, 6)
)


def write(folder: Path, amc: str | bytes = AMC, asf: str | bytes = ASF) -> Path:
    for name, content in (("01_01.amc", amc), ("01.asf", asf)):
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder / "01_01.amc"


def reason_for(folder: Path, amc: str | bytes = AMC, asf: str | bytes = ASF, config: ArchiveConfig = CONFIG) -> Reason:
    with pytest.raises(Rejection) as caught:
        read_amc(write(folder, amc, asf), config)
    assert len(str(caught.value)) < 600
    return caught.value.reason


# --- by hand ----------------------------------------------------------------------------------------------------------


def test_units_tree_and_turns_by_hand(tmp_path):
    motion = read_amc(write(tmp_path), CONFIG, tmp_path)
    assert (motion.joints, motion.parents, motion.rate_hz) == (("root", "thigh", "shin"), (-1, 0, 1), 120)
    inch = 0.0254 / 0.45
    np.testing.assert_allclose(motion.translations[:, 0], [[i * inch, 18 * inch, 0] for i in range(1, 6)])
    np.testing.assert_allclose(motion.translations[0, 1:], [[0, 0, 0], [0, -4.5 * inch, 0]])  # 4.5 units are 10 inches
    turned = Rotation.from_euler("y", 10, degrees=True).as_matrix()
    np.testing.assert_allclose(motion.rotations[0, 0], turned, atol=1e-15)
    # the thigh's own x axis is the skeleton's y: C M C^-1 turns about z by 30 after about y by 5
    by_hand = Rotation.from_euler("z", 30, degrees=True) * Rotation.from_euler("y", 5, degrees=True)
    np.testing.assert_allclose(motion.rotations[0, 1], by_hand.as_matrix(), atol=1e-15)
    np.testing.assert_array_equal(motion.rotations[:, 2], np.repeat(np.eye(3)[None], 5, 0))
    assert (motion.take.sequence, motion.take.archive) == ("01_01", "test")


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    axis=st.permutations("XYZ"), dof=st.permutations(["rx", "ry", "rz"]), n=st.integers(0, 3), seed=st.integers(0, 99)
)
def test_any_axis_and_dof_order_is_the_product_of_turns_about_fixed_axes(tmp_path, axis, dof, n, seed):
    rng = np.random.default_rng(seed)
    lean, angles, dof = rng.uniform(-180, 180, 3).tolist(), rng.uniform(-180, 180, n).tolist(), dof[:n]
    asf = ASF.replace("axis 0 0 90 XYZ", f"axis {' '.join(map(str, lean))} {''.join(axis)}")
    asf = asf.replace("dof rx ry rz", f"dof {' '.join(dof)}" if n else "")
    line = f"thigh {' '.join(map(str, angles))}\n" if n else ""
    amc = ":DEGREES\n" + "".join(f"{i}\nroot 0 0 0 0 0 0\n{line}" for i in range(3))
    motion = read_amc(write(tmp_path, amc, asf), CONFIG)

    def product(order, degrees):
        total = np.eye(3)
        for one, angle in zip(order, degrees, strict=True):
            total = Rotation.from_euler(one[-1].lower(), angle, degrees=True).as_matrix() @ total
        return total

    c = product(axis, lean)
    np.testing.assert_allclose(motion.rotations[1, 1], c @ product(dof, angles) @ c.T, atol=1e-12)


def test_radians_in_either_file_are_radians(tmp_path):
    degrees = read_amc(write(tmp_path), CONFIG)
    rows = [row.split() for row in AMC.splitlines()[3:]]
    for row in rows:
        if len(row) > 1:
            row[-3:] = [repr(float(np.radians(float(v)))) for v in row[-3:]]
    amc = ":RADIANS\n" + "\n".join(map(" ".join, rows))
    asf = ASF.replace("angle deg", "angle rad").replace("axis 0 0 90", f"axis 0 0 {np.pi / 2!r}")
    np.testing.assert_allclose(read_amc(write(tmp_path, amc, asf), CONFIG).rotations, degrees.rotations, atol=1e-12)


@pytest.mark.parametrize("at", ["01.asf", "01_01.asf", "../01.asf"])
def test_the_skeleton_stands_beside_the_motion_or_one_folder_up(tmp_path, at):
    folder = tmp_path / "01"
    folder.mkdir()
    path = write(folder)
    target = folder / at
    shutil.move(folder / "01.asf", target)
    assert asf_amc.skeleton_of(path).resolve() == target.resolve()
    target.unlink()
    with pytest.raises(Rejection, match=r"has no skeleton 01_01\.asf or 01\.asf"):
        read_amc(path, CONFIG)


# --- malformed --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda t: t[:0], Reason.UNREADABLE),
        (lambda t: t.encode() + b"\xff", Reason.UNREADABLE),
        (lambda t: t[:-12], Reason.UNREADABLE),  # the last frame's last line is gone
        (lambda t: t.replace("3\nroot", "9\nroot"), Reason.UNREADABLE),
        (lambda t: t.replace("\n4\n", "\n"), Reason.UNREADABLE),
        (lambda t: t.replace("thigh 15 0 30", "thigh 15 0"), Reason.UNREADABLE),
        (lambda t: t.replace("thigh 15 0 30", "thigh 15 0 x"), Reason.UNREADABLE),
        (lambda t: t.replace("thigh 15 0 30", "shin 15 0 30"), Reason.UNREADABLE),
        (lambda t: t.replace("\nthigh", "\nthigh 1 2 3\nthigh"), Reason.UNREADABLE),
        (lambda t: t.replace("\n4\n", "\n\u00b2\n"), Reason.UNREADABLE),
        (lambda t: t.replace(":DEGREES", ":BINARY"), Reason.UNREADABLE),
        (lambda t: t.replace(":DEGREES", ":DEGREES\n:RADIANS"), Reason.UNREADABLE),
        (lambda t: t.replace("15 0 30", "nan 0 30"), Reason.NON_FINITE),
        (lambda t: t.replace("15 0 30", "1e99 0 30"), Reason.NON_FINITE),
        (lambda t: t.replace("thigh", "wing"), Reason.BAD_SHAPE),
        (lambda t: t.replace(" 0 30\n", " 30\n"), Reason.BAD_SHAPE),
        (lambda t: "".join(line for line in t.splitlines(True) if "thigh" not in line), Reason.BAD_SHAPE),
        (lambda t: "\n".join(t.splitlines()[:9]), Reason.TOO_SHORT),
    ],
)
def test_broken_motions_are_rejected_by_name(tmp_path, change, reason):
    assert reason_for(tmp_path, amc=change(AMC)) == reason


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (ASF, "", Reason.UNREADABLE),
        (":hierarchy", ":tree", Reason.UNREADABLE),
        ("name shin", "name thigh", Reason.UNREADABLE),
        ("name shin", "name root", Reason.UNREADABLE),
        ("thigh shin", "thigh shin root", Reason.UNREADABLE),
        ("thigh shin", "thigh thigh", Reason.UNREADABLE),
        ("    thigh shin\n", "", Reason.UNREADABLE),
        ("root thigh", "root thigh wing", Reason.UNREADABLE),
        ("root thigh\n    thigh shin", "thigh shin\n    shin thigh", Reason.UNREADABLE),
        ("length 9", "length", Reason.UNREADABLE),
        ("length 9", "length nan", Reason.NON_FINITE),
        ("length 0.45", "length 0", Reason.NON_FINITE),
        ("length 0.45", "length -1", Reason.NON_FINITE),
        ("direction 0 -1 0", "direction 0 -1", Reason.UNREADABLE),
        ("axis 0 0 90 XYZ", "axis 0 0 90 XYX", Reason.UNREADABLE),
        ("dof rx ry rz", "dof rx rx rz", Reason.UNREADABLE),
        ("dof rx ry rz", "dof rx l", Reason.UNREADABLE),
        ("order TX TY TZ RX RY RZ", "order TX TY RX RY RZ", Reason.UNREADABLE),
        ("length 9\n     axis 0 0 0 XYZ\n  end", "length 9", Reason.UNREADABLE),
        ("name shin", "name tail", Reason.UNREADABLE),
    ],
)
def test_broken_skeletons_are_rejected_by_name(tmp_path, old, new, reason):
    assert old in ASF
    assert reason_for(tmp_path, asf=ASF.replace(old, new)) == reason


def test_another_rig_and_oversized_files_are_rejected(tmp_path, monkeypatch):
    other = CONFIG.model_copy(update={"segments": load_archive("cmu_asf_amc").segments})
    assert reason_for(tmp_path, config=other) == Reason.BAD_SHAPE
    monkeypatch.setattr(asf_amc, "MAX_EXPANDED_BYTES", 1000)
    assert reason_for(tmp_path) == Reason.OVERSIZED
    monkeypatch.setattr(asf_amc, "MAX_FILE_BYTES", 100)
    assert reason_for(tmp_path) == Reason.OVERSIZED


def mutated(data: st.DataObject, content: bytes) -> bytes:
    at = data.draw(st.integers(0, len(content)))
    until = data.draw(st.integers(at, min(len(content), at + 40)))
    return (
        content[:at]
        + data.draw(st.binary(max_size=8) | st.sampled_from([b"end", b":", b"9e999", b"\n"]))
        + content[until:]
    )


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_any_damage_gives_a_motion_or_a_rejection(tmp_path, data):
    amc, asf = mutated(data, AMC.encode()), ASF.encode()
    if data.draw(st.booleans()):
        amc, asf = AMC.encode(), mutated(data, ASF.encode())
    try:
        motion = read_amc(write(tmp_path, amc, asf), CONFIG)
    except Rejection:
        return
    assert np.isfinite(motion.translations).all()
    np.testing.assert_allclose(np.linalg.det(motion.rotations), 1, atol=1e-9)


def test_an_asf_amc_archive_must_say_its_rate():
    with pytest.raises(ValueError, match="rate_hz"):
        ArchiveConfig.model_validate(CONFIG.model_dump() | {"rate_hz": None})


# --- CMU --------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cmu(vimu_data: Path) -> Path:
    return vimu_data / "mocap_other_rigs" / "raw" / "cmu"


@pytest.fixture(scope="module")
def walk(cmu: Path) -> SkeletonMotion:
    return read_amc(cmu / "01_01.amc", load_archive("cmu_asf_amc"), cmu)


def test_cmus_own_files_are_the_same_take_as_the_bvh_but_for_the_thorax_it_lost(cmu, walk):
    amc = Body(walk, load_archive("cmu_asf_amc"))
    bvh = Body(read_bvh(cmu / "01_01.bvh", load_archive("cmu_bvh")), load_archive("cmu_bvh"))
    assert (walk.take.subject, walk.rate_hz) == ("01", bvh.rate_hz)
    later = slice(1, None)  # the BVH's first frame is a made-up T-pose
    thorax = {b.name: b.vector for b in read_asf(cmu / "01.asf").bones}["thorax"] * 0.0254 / 0.45
    lost = amc.orientation("spine3") @ thorax
    for segment in load_archive("cmu_asf_amc").segments:
        above = segment in {"neck", "head"} or segment.split("_")[-1] in {"collar", "shoulder", "elbow", "wrist"}
        position = amc.position(segment) - (lost if above else 0)
        np.testing.assert_allclose(position, bvh.position(segment)[later], atol=2e-4, err_msg=segment)
        np.testing.assert_allclose(
            amc.orientation(segment), bvh.orientation(segment)[later], atol=2e-4, err_msg=segment
        )


def test_bones_keep_their_length_and_people_their_height(cmu):
    config = load_archive("cmu_asf_amc")
    for take, subject in (("01_01", "01"), ("11_01", "11")):
        motion = read_amc(cmu / f"{take}.amc", config)
        assert np.ptp(motion.translations[:, 1:], axis=0).max() == 0
        lengths = {b.name: np.linalg.norm(b.vector) * 0.0254 / 0.45 for b in read_asf(cmu / f"{subject}.asf").bones}
        assert 0.36 < lengths["lfemur"] < 0.5
        assert 0.36 < lengths["ltibia"] < 0.5
        body = Body(motion, config)
        for upper, lower, bone in (("left_hip", "left_knee", "lfemur"), ("right_elbow", "right_wrist", "rradius")):
            apart = np.linalg.norm(body.position(upper) - body.position(lower), axis=1)
            np.testing.assert_allclose(apart, lengths[bone], rtol=1e-9)
        hips = body.position("pelvis")[:, 1]
        assert 0.8 < np.median(hips) < 1.1
        assert (body.position("head")[:, 1] > hips + 0.4).mean() > 0.95
        assert body.axis("pelvis", UP)[:, 1].mean() > 0.9
        for pair in ("hip", "ankle", "shoulder"):
            across = body.position(f"left_{pair}") - body.position(f"right_{pair}")
            assert dot(across, body.axis("pelvis", LEFT)).mean() > 0.1


def test_virtual_sensors_on_cmu_through_the_public_door(cmu, walk):
    recording = vimu.synthesize(
        cmu / "01_01.amc", archive="cmu_asf_amc", placements=["left_wrist", "chest", "right_thigh", "head"], rate_hz=60
    )
    assert recording.acc.shape == ((len(walk.translations) - 1) // 2 + 1 - 2, 4, 3)
    assert 1 < np.linalg.norm(recording.acc, axis=-1).mean() < 30
