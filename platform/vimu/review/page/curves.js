// Acceleration and angular velocity of every sensor, with a line where the body is.

import uPlot from "uplot";
import { by, colour, make, themed } from "./dom.js";

const KINDS = { acc: "acc, world axes, m/s²", gyr: "gyr, sensor axes, rad/s" };
const AXES = ["x", "y", "z"];
const HEIGHT_PX = 92;

export class Curves {
  constructor(onSeek) {
    this.box = by("curves");
    this.onSeek = onSeek;
    this.plots = [];
    this.time = 0;
    new ResizeObserver(() => this.fit()).observe(this.box);
    themed(() => this.signals && this.show(this.signals));
  }

  clear(text = "") {
    for (const { plot } of this.plots) plot.destroy();
    this.plots = [];
    this.signals = null;
    this.box.replaceChildren(...(text ? [make("p", { textContent: text })] : []));
  }

  show(signals) {
    this.clear();
    this.signals = signals;
    const { n_frames: n, sensors, rate_hz: rate } = signals;
    const time = Float64Array.from({ length: n }, (_, i) => i / rate);
    sensors.forEach((sensor, s) => {
      const pair = make("div", { className: "pair" });
      this.box.append(make("h3", { textContent: sensor }), pair);
      for (const kind of Object.keys(KINDS)) {
        const lines = AXES.map((_, a) => Float32Array.from({ length: n }, (_, t) => signals[kind][(t * sensors.length + s) * 3 + a]));
        pair.append(this.plot(KINDS[kind], time, lines));
      }
    });
    this.fit();
    this.at(this.time);
  }

  plot(title, time, lines) {
    const values = make("span", { className: "values" });
    const place = make("div", { className: "plot" });
    const figure = make("figure", {}, make("figcaption", {}, title, values), place);
    const grid = { stroke: colour("--grid"), width: 1 };
    const axis = { stroke: colour("--dim"), grid, ticks: { show: false }, font: "11px system-ui, sans-serif" };
    const plot = new uPlot({
      width: 200, height: HEIGHT_PX, legend: { show: false }, padding: [6, 6, 0, 0],
      scales: { x: { time: false } },
      cursor: { sync: { key: "clip" }, drag: { x: false, y: false }, points: { show: false }, y: false },
      axes: [{ ...axis, size: 20, gap: 2, space: 45 }, { ...axis, size: 38, gap: 3, space: 22 }],
      series: [{}, ...AXES.map((name) => ({ label: name, stroke: colour(`--${name}`), width: 1.25, points: { show: false } }))],
    }, [time, ...lines], place);
    const now = make("div", { className: "now" });
    plot.over.append(now);
    plot.over.addEventListener("click", (event) => this.onSeek(plot.posToVal(event.offsetX, "x")));
    this.plots.push({ plot, now, values, lines });
    return figure;
  }

  fit() {
    for (const { plot } of this.plots) {
      const width = plot.root.parentElement.clientWidth;
      if (width > 0 && width !== plot.width) plot.setSize({ width, height: HEIGHT_PX });
    }
    this.at(this.time);
  }

  at(time) {
    this.time = time;
    if (!this.signals) return;
    const frame = Math.min(Math.round(time * this.signals.rate_hz), this.signals.n_frames - 1);
    for (const { plot, now, values, lines } of this.plots) {
      now.style.transform = `translateX(${plot.valToPos(time, "x")}px)`;
      values.replaceChildren(...AXES.map((name, a) =>
        make("span", { className: name, textContent: `${name} ${(Math.round(10 * lines[a][frame]) / 10 || 0).toFixed(1)}` })));
    }
  }
}
