// The 3-D view: a floor, a light, a camera that follows the body.

import * as three from "three";
import { OrbitControls } from "/page/OrbitControls.js";
import { Body } from "./body.js";
import { by, choices, colour, make, themed, write } from "./dom.js";

const ANGLES = { slant: [1.3, 0.7, 2.4], front: [0, 0.3, 2.8], left: [2.8, 0.3, 0], back: [0, 0.3, -2.8], right: [-2.8, 0.3, 0], above: [0, 3.2, 0.01] };
const NAMES = { slant: "Slanting", front: "From +z", left: "From +x", back: "From -z", right: "From -x", above: "From above" };
const TURN_RAD = Math.PI / 18;
const ZOOM = 1.15;
const CELL_M = 0.5;
const FLOOR_CELLS = 24; // each way

export class Scene {
  constructor() {
    this.box = by("stage");
    this.labels = make("div", { className: "labels" });
    this.labels.setAttribute("aria-hidden", "true");
    this.time = 0;
    choices(by("angle"), Object.entries(NAMES));
    by("angle").addEventListener("change", () => this.look());
    by("surface").addEventListener("change", () => this.draw());
    try {
      this.renderer = new three.WebGLRenderer({ antialias: true });
    } catch {
      this.say("This browser draws no 3-D here (WebGL is off). The curves work without.");
      return;
    }
    this.scene = new three.Scene();
    this.camera = new three.PerspectiveCamera(40, 1, 0.05, 200);
    this.scene.add(new three.HemisphereLight(0xffffff, 0x888888, 2.2));
    const sun = new three.DirectionalLight(0xffffff, 1.6);
    sun.position.set(2, 5, 3);
    this.scene.add(sun);
    this.controls = new OrbitControls(this.camera, this.renderer.domElement);
    this.controls.addEventListener("change", () => this.later());
    this.renderer.domElement.tabIndex = -1;
    this.box.append(this.renderer.domElement, this.labels);
    this.box.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.fit()).observe(this.box);
    themed(() => this.recolour());
  }

  say(text) {
    write(by("missing"), text);
    by("missing").hidden = !text;
    by("view").classList.toggle("empty", Boolean(text));
  }

  clear(text = "") {
    this.say(this.renderer ? text : by("missing").textContent);
    if (!this.renderer) return;
    if (this.body) {
      this.scene.remove(this.body.group);
      this.body.dispose();
    }
    this.body = null;
    this.labels.replaceChildren();
    by("skinned").hidden = true;
    this.later();
  }

  show(take) {
    if (!this.renderer) return;
    this.clear();
    this.body = new Body(take);
    this.scene.add(this.body.group);
    by("skinned").hidden = !this.body.skin;
    this.tags = this.body.sensors.map(({ name }) => make("span", { textContent: name.replaceAll("_", " ") }));
    this.labels.replaceChildren(...this.tags);
    this.recolour();
    this.body.at(this.time + take.offset_s);
    this.look();
  }

  at(time) {
    this.time = time;
    if (!this.body) return;
    this.body.at(time + this.body.take.offset_s);
    this.follow();
    this.later();
  }

  // The camera goes along with the body, level: a person who walks stays in the middle.
  follow() {
    const { root } = this.body;
    const way = new three.Vector3(root.x - this.controls.target.x, 0, root.z - this.controls.target.z);
    this.controls.target.add(way);
    this.camera.position.add(way);
    this.controls.update();
  }

  look() {
    if (!this.body) return;
    const { root, floor } = this.body;
    this.controls.target.set(root.x, floor + 0.9, root.z);
    this.camera.position.copy(this.controls.target).add(new three.Vector3(...ANGLES[by("angle").value]));
    this.controls.update();
    this.later();
  }

  nextAngle() {
    const names = Object.keys(ANGLES);
    by("angle").value = names[(names.indexOf(by("angle").value) + 1) % names.length];
    this.look();
  }

  key(event) {
    const turns = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    const zoom = { "+": 1 / ZOOM, "=": 1 / ZOOM, "-": ZOOM }[event.key];
    if (!turns && !zoom) return;
    const way = this.camera.position.clone().sub(this.controls.target);
    const round = new three.Spherical().setFromVector3(way);
    if (turns) {
      round.theta += turns[0] * TURN_RAD;
      round.phi += turns[1] * TURN_RAD;
      round.makeSafe();
    } else {
      round.radius *= zoom;
    }
    this.camera.position.copy(this.controls.target).add(way.setFromSpherical(round));
    this.controls.update();
    event.preventDefault();
    event.stopPropagation();
  }

  recolour() {
    this.scene.background = new three.Color(colour("--stage"));
    this.scene.fog = new three.Fog(colour("--stage"), 4, 12);
    if (this.grid) {
      this.scene.remove(this.grid);
      this.grid.geometry.dispose();
      this.grid.material.dispose();
    }
    this.grid = floorOf(colour("--floor"));
    this.scene.add(this.grid);
    this.body?.recolour();
    this.later();
  }

  fit() {
    const { clientWidth: width, clientHeight: height } = this.box;
    if (!width || !height) return;
    this.renderer.setPixelRatio(Math.min(devicePixelRatio, 2));
    this.renderer.setSize(width, height);
    this.camera.aspect = width / height;
    this.camera.updateProjectionMatrix();
    this.draw();
  }

  later() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      this.draw();
    });
  }

  draw() {
    if (!this.renderer) return;
    if (this.body) {
      this.body.showSkin(by("surface").checked);
      this.grid.position.set(Math.round(this.body.root.x), this.body.floor, Math.round(this.body.root.z));
    }
    this.renderer.render(this.scene, this.camera);
    this.body?.sensors.forEach(({ place }, s) => this.tag(this.tags[s], place));
  }

  tag(tag, place) {
    const seen = place.clone().project(this.camera);
    const x = ((seen.x + 1) / 2) * this.box.clientWidth;
    const y = ((1 - seen.y) / 2) * this.box.clientHeight;
    tag.style.transform = `translate(${x + 10}px, ${y - 9}px)`;
    tag.hidden = seen.z > 1;
  }
}

// Squares of half a metre, line by line: one long line would be lost where it passes the camera.
function floorOf(colour) {
  const ends = [];
  for (let i = -FLOOR_CELLS; i <= FLOOR_CELLS; i++) {
    for (let j = -FLOOR_CELLS; j < FLOOR_CELLS; j++) {
      ends.push(i, 0, j, i, 0, j + 1, j, 0, i, j + 1, 0, i);
    }
  }
  const shape = new three.BufferGeometry();
  shape.setAttribute("position", new three.BufferAttribute(Float32Array.from(ends, (end) => end * CELL_M), 3));
  return new three.LineSegments(shape, new three.LineBasicMaterial({ color: colour }));
}
