// Time in the clip: plays in a loop, and tells those who follow.

import { by, choices } from "./dom.js";

const SPEEDS = ["0.1", "0.25", "0.5", "1", "2", "4"];

export class Player {
  constructor() {
    this.time = 0;
    this.duration = 0;
    this.frame = 1 / 60;
    this.followers = [];
    this.playing = false;
    choices(by("speed"), SPEEDS.map((speed) => [speed, `${speed} ×`]));
    by("speed").value = "1";
    by("play").addEventListener("click", () => this.toggle());
    by("time").addEventListener("input", () => this.seek(Number(by("time").value)));
  }

  follow(callback) {
    this.followers.push(callback);
  }

  load(duration, frame) {
    this.duration = duration;
    this.frame = frame;
    by("time").max = duration;
    by("time").step = frame;
    this.seek(0);
  }

  seek(time) {
    this.time = Math.min(Math.max(time, 0), this.duration);
    by("time").value = this.time;
    by("clock").textContent = `${this.time.toFixed(2)} / ${this.duration.toFixed(2)} s`;
    for (const callback of this.followers) callback(this.time);
  }

  step(frames) {
    this.toggle(false);
    this.seek((Math.round(this.time / this.frame) + frames) * this.frame);
  }

  toggle(play = !this.playing) {
    if (play === this.playing) return;
    this.playing = play;
    by("play").textContent = play ? "Pause" : "Play";
    if (play) requestAnimationFrame((now) => this.tick(now, now));
  }

  tick(before, now) {
    if (!this.playing) return;
    if (this.duration > 0) {
      const next = this.time + ((now - before) / 1000) * Number(by("speed").value);
      this.seek(next > this.duration ? next % this.duration : next);
    }
    requestAnimationFrame((later) => this.tick(now, later));
  }
}
