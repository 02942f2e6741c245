// A take in 3-D: its bones, its skin where there is one, and the sensors as small axes.

import * as three from "three";
import { colour } from "./dom.js";

const AXIS_M = 0.13;
const STRETCH_M = 0.01; // what changes its length by more is no bone: the way from a rig's origin to its hips
const HEAD_M = 0.09;
const UP = new three.Vector3(0, 1, 0);

export class Body {
  constructor(take) {
    this.take = take;
    this.group = new three.Group();
    this.root = new three.Vector3();
    this.from = new three.Vector3();
    this.to = new three.Vector3();
    this.matrix = new three.Matrix4();
    this.quaternion = new three.Quaternion();
    this.bones = bonesOf(take);
    this.hip = this.bones[0]?.from ?? 0;
    this.floor = lowest(take.joints);
    this.addBones();
    if (take.vertices) this.addSkin();
    this.sensors = take.sensors.map((name) => this.addSensor(name));
    this.recolour();
    this.at(0);
  }

  addBones() {
    const tube = new three.CylinderGeometry(1, 1, 1, 10);
    const ball = new three.SphereGeometry(1, 12, 8);
    this.boneMaterial = new three.MeshLambertMaterial();
    this.tubes = new three.InstancedMesh(tube, this.boneMaterial, this.bones.length);
    this.balls = new three.InstancedMesh(ball, this.boneMaterial, this.bones.length);
    this.skeleton = new three.Group();
    this.tubes.frustumCulled = this.balls.frustumCulled = false;
    this.head = headOf(this.take);
    this.skull = new three.Mesh(ball, this.boneMaterial);
    this.skull.scale.setScalar(HEAD_M);
    this.skull.visible = Boolean(this.head);
    this.skeleton.add(this.tubes, this.balls, this.skull);
    this.group.add(this.skeleton);
  }

  // Skinned by the graphics card: a vertex is the weighted sum, over its joints, of turn (v - rest) + place.
  addSkin() {
    const { vertices, faces, bones, weights, rest, parents } = this.take;
    const shape = new three.BufferGeometry();
    shape.setAttribute("position", new three.BufferAttribute(vertices, 3));
    shape.setAttribute("skinIndex", new three.BufferAttribute(Uint16Array.from(bones), 4));
    shape.setAttribute("skinWeight", new three.BufferAttribute(weights, 4));
    shape.setIndex(new three.BufferAttribute(faces, 1));
    shape.computeVertexNormals();
    this.joints = parents.map(() => new three.Bone());
    const back = parents.map((_, j) => new three.Matrix4().makeTranslation(-rest[3 * j], -rest[3 * j + 1], -rest[3 * j + 2]));
    this.skinMaterial = new three.MeshLambertMaterial({ side: three.DoubleSide });
    this.skin = new three.SkinnedMesh(shape, this.skinMaterial);
    this.skin.bind(new three.Skeleton(this.joints, back), new three.Matrix4());
    this.skin.frustumCulled = false;
    this.group.add(this.skin);
  }

  addSensor(name) {
    const group = new three.Group();
    group.matrixAutoUpdate = false;
    const materials = ["--x", "--y", "--z"].map((axis, a) => {
      const material = new three.MeshBasicMaterial({ depthTest: false, transparent: true });
      const bar = new three.Mesh(new three.CylinderGeometry(0.008, 0.008, AXIS_M, 8), material);
      bar.renderOrder = 2;
      bar.position.setComponent(a, AXIS_M / 2);
      if (a === 0) bar.rotation.z = -Math.PI / 2;
      if (a === 2) bar.rotation.x = Math.PI / 2;
      group.add(bar);
      return [axis, material];
    });
    this.group.add(group);
    return { name, group, materials, place: new three.Vector3() };
  }

  recolour() {
    this.boneMaterial.color.set(colour("--bone"));
    this.skinMaterial?.color.set(colour("--skin"));
    for (const { materials } of this.sensors) {
      for (const [axis, material] of materials) material.color.set(colour(axis));
    }
  }

  showSkin(isShown) {
    if (this.skin) this.skin.visible = isShown;
    this.skeleton.visible = !(this.skin && isShown);
  }

  // Set the body to a time of the take, s; between two frames, between the two.
  at(time) {
    const { take } = this;
    const place = Math.min(Math.max(time * take.rate_hz, 0), take.n_frames - 1);
    const frame = Math.min(Math.floor(place), Math.max(take.n_frames - 2, 0));
    const share = take.n_frames > 1 ? place - frame : 0;
    const mix = (array, width) => (i) => {
      const at = frame * width + i;
      return share > 0 ? array[at] + share * (array[at + width] - array[at]) : array[at];
    };
    const joint = mix(take.joints, 3 * take.parents.length);
    this.root.set(joint(3 * this.hip), joint(3 * this.hip + 1), joint(3 * this.hip + 2));
    this.bones.forEach((bone, b) => this.setBone(bone, b, joint));
    if (this.head) {
      [this.from, this.to].forEach((end, e) => end.set(...[0, 1, 2].map((a) => joint(3 * this.head[e] + a))));
      this.skull.position.copy(this.from.add(this.to).multiplyScalar(0.5));
    }
    this.tubes.instanceMatrix.needsUpdate = this.balls.instanceMatrix.needsUpdate = true;
    const sensorPlace = mix(take.sensor_place, 3 * this.sensors.length);
    const sensorTurn = mix(take.sensor_turn, 9 * this.sensors.length);
    this.sensors.forEach(({ group, place: spot }, s) => {
      pose(group.matrix, sensorTurn, 9 * s, sensorPlace, 3 * s);
      group.matrixWorldNeedsUpdate = true;
      spot.setFromMatrixPosition(group.matrix);
    });
    if (this.skin) {
      const turn = mix(take.turn, 9 * this.joints.length);
      this.joints.forEach((bone, j) => pose(bone.matrixWorld, turn, 9 * j, joint, 3 * j));
    }
  }

  setBone({ from, to, radius }, b, joint) {
    this.from.set(joint(3 * from), joint(3 * from + 1), joint(3 * from + 2));
    this.to.set(joint(3 * to), joint(3 * to + 1), joint(3 * to + 2));
    this.matrix.makeScale(radius * 1.3, radius * 1.3, radius * 1.3).setPosition(this.to);
    this.balls.setMatrixAt(b, this.matrix);
    const along = this.to.clone().sub(this.from);
    const length = along.length();
    this.quaternion.setFromUnitVectors(UP, along.divideScalar(length || 1));
    this.matrix.compose(this.from.add(this.to).multiplyScalar(0.5), this.quaternion, new three.Vector3(radius, length, radius));
    this.tubes.setMatrixAt(b, this.matrix);
  }

  dispose() {
    this.group.traverse((part) => {
      part.geometry?.dispose();
      part.material?.dispose();
      part.skeleton?.dispose();
      if (part.isInstancedMesh) part.dispose();
    });
  }
}

function pose(matrix, turn, t, place, p) {
  matrix.set(
    turn(t), turn(t + 1), turn(t + 2), place(p),
    turn(t + 3), turn(t + 4), turn(t + 5), place(p + 1),
    turn(t + 6), turn(t + 7), turn(t + 8), place(p + 2),
    0, 0, 0, 1);
}

function bonesOf({ joints, parents, n_frames: n }) {
  const bones = [];
  parents.forEach((from, to) => {
    if (from < 0) return;
    let [least, most] = [Infinity, 0];
    for (let t = 0; t < n; t++) {
      const at = 3 * parents.length * t;
      const length = Math.hypot(...[0, 1, 2].map((a) => joints[at + 3 * to + a] - joints[at + 3 * from + a]));
      [least, most] = [Math.min(least, length), Math.max(most, length)];
    }
    if (most - least <= STRETCH_M && most > 1e-4) bones.push({ from, to, radius: Math.min(0.022, 0.12 * most) });
  });
  return bones;
}

// The joint that is called so, and where it ends: only to make a skeleton look like a person.
function headOf({ names, parents }) {
  const head = names.findIndex((name) => name.toLowerCase() === "head");
  if (head < 0) return null;
  const end = parents.indexOf(head);
  return [head, end < 0 ? head : end];
}

function lowest(joints) {
  let least = Infinity;
  for (let i = 1; i < joints.length; i += 3) least = Math.min(least, joints[i]);
  return least;
}
