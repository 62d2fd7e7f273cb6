// The viewer of forecasts and the sortable table of a simvp report.
//
// The page holds JSON: "viewer-data" describes runs, channels and coordinates, and "frames-N" holds
// the values of sample N as float32 in base64. Text is only ever set as text, never as markup.
"use strict";

(() => {
  const byId = (id) => document.getElementById(id);
  const json = (id) => JSON.parse(byId(id).textContent);
  const viewer = json("viewer-data");
  const HOLE = [178, 178, 178];

  function element(tag, properties = {}, ...children) {
    const node = Object.assign(document.createElement(tag), properties);
    node.append(...children);
    return node;
  }

  function decode(base64) {
    return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0)).buffer;
  }

  // ---- Numbers -------------------------------------------------------------------------------

  /** A value with a number of significant digits, without needless zeros. */
  function shown(value, digits = 7) {
    if (!Number.isFinite(value)) return "no value";
    return String(Number(value.toPrecision(digits)));
  }

  function withUnit(text, unit) {
    return unit && text !== "no value" ? `${text} ${unit}` : text;
  }

  /** Smallest and largest finite value of several arrays; null if there is none. */
  function range(arrays) {
    let low = Infinity, high = -Infinity;
    for (const array of arrays) {
      for (const value of array) {
        if (value < low) low = value;
        if (value > high) high = value;
      }
    }
    return low <= high ? [low, high] : null;
  }

  /** Limits of colours that differ, also for constant values. */
  function limits(found) {
    if (!found) return [0, 1];
    const [low, high] = found;
    return low < high ? found : [low - 0.5, high + 0.5];
  }

  // ---- Samples -------------------------------------------------------------------------------

  const decoded = new Map();

  /** Sample `number`: sizes, and a function that returns the frame of an array, a Float32Array. */
  function load(number) {
    if (!decoded.has(number)) {
      const content = json(`frames-${number}`);
      const arrays = content.values.map((text) => new Float32Array(decode(text)));
      const size = content.height * content.width;
      const channels = viewer.channels.length;
      const frame = (array, time, channel) =>
        arrays[array].subarray((time * channels + channel) * size, (time * channels + channel + 1) * size);
      decoded.set(number, { ...content, frame });
    }
    return decoded.get(number);
  }

  const maps = Object.fromEntries(
    Object.entries(viewer.maps).map(([name, text]) => [name, new Uint8Array(decode(text))]),
  );
  const differenceMap = new Uint8Array(decode(viewer.differenceMap));
  const coordinates = viewer.coordinates.map((item) => ({
    ...item,
    values: new Float64Array(decode(item.values)),
  }));

  // ---- State ---------------------------------------------------------------------------------

  const several = viewer.runs.length > 1;
  const state = { sample: 0, channel: 0, time: 0, cell: null, timer: null };
  const controls = Object.fromEntries(
    ["sample", "channel", "map", "scale", "time", "play", "back", "forward"].map((id) => [id, byId(id)]),
  );

  /** The panels: input, truth, and forecast and difference of each run. */
  const panels = [
    { title: "Input", kind: "input" },
    { title: "Truth", kind: "truth" },
    ...viewer.runs.flatMap((name, run) => [
      { title: several ? `Forecast: ${name}` : "Forecast", kind: "forecast", run },
      { title: several ? `Difference: ${name}` : "Difference", kind: "difference", run },
    ]),
  ];

  function difference(sample, run, step) {
    const truth = sample.frame(1, step, state.channel);
    return sample.frame(2 + run, step, state.channel).map((value, i) => value - truth[i]);
  }

  /** Values of a panel at the current time; null before the forecast begins. */
  function valuesOf(panel, sample) {
    const step = state.time - sample.inputs;
    if (panel.kind === "input") {
      return sample.frame(0, Math.min(state.time, sample.inputs - 1), state.channel);
    }
    if (step < 0) return null;
    if (panel.kind === "truth") return sample.frame(1, step, state.channel);
    if (panel.kind === "forecast") return sample.frame(2 + panel.run, step, state.channel);
    return difference(sample, panel.run, step);
  }

  /** Limits that hold for all frames of the sample: of true values, and of differences. */
  function commonLimits(sample) {
    const steps = [...Array(sample.steps).keys()];
    const inputs = [...Array(sample.inputs).keys()].map((t) => sample.frame(0, t, state.channel));
    const truths = steps.map((t) => sample.frame(1, t, state.channel));
    const errors = viewer.runs.flatMap((_, run) => steps.map((t) => difference(sample, run, t)));
    const found = range(errors);
    const largest = found ? Math.max(-found[0], found[1]) || 1 : 1;
    let values = range([...inputs, ...truths]);
    if (values && values[0] === values[1]) { // of a constant truth, show the forecasts
      const forecasts = viewer.runs.flatMap((_, run) => steps.map((t) => sample.frame(2 + run, t, state.channel)));
      values = range([values, ...forecasts]);
    }
    return { values: limits(values), differences: [-largest, largest] };
  }

  // ---- Drawing -------------------------------------------------------------------------------

  /** Colour every cell of a canvas; row 0 is at the bottom if the origin is lower. */
  function paint(canvas, values, [low, high], colours, sample) {
    const { width, height } = sample;
    canvas.width = width;
    canvas.height = height;
    const image = new ImageData(width, height);
    for (let row = 0; row < height; row++) {
      const source = viewer.origin === "lower" ? height - 1 - row : row;
      for (let column = 0; column < width; column++) {
        const value = values[source * width + column];
        const at = 4 * (row * width + column);
        const share = Math.min(1, Math.max(0, (value - low) / (high - low)));
        const index = 3 * Math.min(255, Math.floor(256 * share));
        const colour = Number.isNaN(value) ? HOLE : colours.subarray(index, index + 3);
        image.data.set(colour, at);
        image.data[at + 3] = 255;
      }
    }
    canvas.getContext("2d").putImageData(image, 0, 0);
  }

  function paintBar(canvas, colours) {
    canvas.width = 256;
    canvas.height = 1;
    const image = new ImageData(256, 1);
    for (let i = 0; i < 256; i++) {
      image.data.set(colours.subarray(3 * i, 3 * i + 3), 4 * i);
      image.data[4 * i + 3] = 255;
    }
    canvas.getContext("2d").putImageData(image, 0, 0);
  }

  /** Which of the values the colours do not reach, in words. */
  function beyond(values, [low, high]) {
    const found = range([values]);
    const parts = [];
    if (found && found[0] < low) parts.push(`down to ${shown(found[0], 4)}`);
    if (found && found[1] > high) parts.push(`up to ${shown(found[1], 4)}`);
    return parts.length ? `values ${parts.join(" and ")}` : "";
  }

  function buildPanel(panel) {
    panel.canvas = element("canvas", { tabIndex: 0 });
    panel.canvas.setAttribute("role", "img");
    panel.when = element("span");
    panel.cross = element("div", { className: "cross", hidden: true });
    panel.empty = element("div", { className: "empty", textContent: "begins after the input" });
    panel.view = element("div", { className: "view" }, panel.canvas, panel.cross, panel.empty);
    panel.bar = element("canvas");
    panel.bar.setAttribute("aria-hidden", "true");
    [panel.low, panel.unit, panel.high] = [0, 1, 2].map(() => element("span"));
    panel.beyond = element("div", { className: "beyond" });
    const scale = element("div", {}, panel.low, panel.unit, panel.high);
    panel.node = element(
      "div",
      { className: "panel" },
      element("h3", {}, element("strong", { textContent: panel.title }), panel.when),
      panel.view,
      element("div", { className: "bar" }, panel.bar, scale, panel.beyond),
    );
    panel.canvas.addEventListener("pointermove", (event) => pointAt(panel, event));
    panel.canvas.addEventListener("pointerdown", (event) => pointAt(panel, event));
    panel.canvas.addEventListener("keydown", moveCell);
    byId("panels").append(panel.node);
  }

  function drawPanel(panel, sample, common) {
    const isDifference = panel.kind === "difference";
    const { name, unit } = viewer.channels[state.channel];
    const values = valuesOf(panel, sample);
    const colours = isDifference ? differenceMap : maps[controls.map.value];
    let scale = isDifference ? common.differences : common.values;
    if (values && controls.scale.value === "own") {
      const found = range([values]);
      const largest = found ? Math.max(-found[0], found[1]) || 1 : 1;
      scale = isDifference ? [-largest, largest] : limits(found);
    }
    panel.empty.hidden = values !== null;
    panel.canvas.style.visibility = values ? "visible" : "hidden";
    const time = panel.kind === "input" ? Math.min(state.time, sample.inputs - 1) : state.time;
    panel.when.textContent = values ? timeLabel(sample, time).short : "";
    if (values) {
      paint(panel.canvas, values, scale, colours, sample);
      const label = `${panel.title} of ${name}, ${timeLabel(sample, time).long}`;
      panel.canvas.setAttribute("aria-label", label);
    }
    panel.beyond.textContent = values ? beyond(values, scale) : "";
    paintBar(panel.bar, colours);
    panel.low.textContent = shown(scale[0], 4);
    panel.high.textContent = shown(scale[1], 4);
    panel.unit.textContent = unit;
  }

  /** The time of a frame: in short for a panel, and in full. */
  function timeLabel(sample, time) {
    const isInput = time < sample.inputs;
    const number = isInput ? time + 1 : time - sample.inputs + 1;
    const total = isInput ? sample.inputs : sample.steps;
    const date = viewer.samples[state.sample].times[time];
    const what = `${isInput ? "input" : "step"} ${number}`;
    return { short: what, long: `${what} of ${total}${date ? `, ${date}` : ""}` };
  }

  function draw() {
    const sample = load(state.sample);
    const key = `${state.sample} ${state.channel}`;
    if (state.key !== key) {
      state.key = key;
      state.common = commonLimits(sample);
    }
    for (const panel of panels) drawPanel(panel, sample, state.common);
    controls.time.value = state.time;
    const label = timeLabel(sample, state.time).long;
    controls.time.setAttribute("aria-valuetext", label);
    byId("frame-label").textContent = label;
    readOut(sample);
  }

  /** Size the panels for the shape of the frames. */
  function layOut(sample) {
    const ratio = Math.min(4, Math.max(0.4, sample.width / sample.height));
    const isWide = ratio > 2.2;
    byId("panels").classList.toggle("wide", isWide);
    const columns = isWide ? 2 : several ? Math.min(panels.length, 4) : 4;
    byId("panels").style.setProperty("--columns", columns);
    for (const panel of panels) {
      panel.view.style.aspectRatio = ratio;
      panel.view.style.maxWidth = `calc(70vh * ${ratio})`;
    }
  }

  // ---- Values under the pointer --------------------------------------------------------------

  function pointAt(panel, event) {
    const sample = load(state.sample);
    const box = panel.canvas.getBoundingClientRect();
    const column = Math.floor(((event.clientX - box.left) / box.width) * sample.width);
    const drawn = Math.floor(((event.clientY - box.top) / box.height) * sample.height);
    const row = viewer.origin === "lower" ? sample.height - 1 - drawn : drawn;
    if (row < 0 || column < 0 || row >= sample.height || column >= sample.width) return;
    state.cell = [row, column];
    readOut(sample);
  }

  /** Move the mark with Shift and an arrow key. */
  function moveCell(event) {
    const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    if (!event.shiftKey || !(event.key in moves)) return;
    event.preventDefault();
    event.stopPropagation();
    const sample = load(state.sample);
    const [down, right] = moves[event.key];
    const [row, column] = state.cell || [sample.height >> 1, sample.width >> 1];
    const step = viewer.origin === "lower" ? -down : down;
    state.cell = [
      Math.min(sample.height - 1, Math.max(0, row + step)),
      Math.min(sample.width - 1, Math.max(0, column + right)),
    ];
    readOut(sample);
  }

  function place(row, column, sample) {
    const known = coordinates.map(({ name, unit, axes, values }) => {
      const index = { y: row, x: column, yx: row * sample.width + column }[axes];
      return withUnit(`${name} ${shown(values[index], 6)}`, unit);
    });
    const stride = viewer.stride;
    return [`row ${row * stride}, column ${column * stride}`, ...known].join(", ");
  }

  function readOut(sample) {
    const line = byId("readout");
    for (const panel of panels) panel.cross.hidden = !state.cell || !valuesOf(panel, sample);
    if (!state.cell) {
      line.textContent = "Point at a cell to read its values.";
      return;
    }
    const [row, column] = state.cell;
    const drawn = viewer.origin === "lower" ? sample.height - 1 - row : row;
    const { unit } = viewer.channels[state.channel];
    const parts = [element("span", { className: "place", textContent: place(row, column, sample) })];
    for (const panel of panels) {
      panel.cross.style.left = `${((column + 0.5) / sample.width) * 100}%`;
      panel.cross.style.top = `${((drawn + 0.5) / sample.height) * 100}%`;
      panel.cross.style.width = `${100 / sample.width}%`;
      panel.cross.style.height = `${100 / sample.height}%`;
      const values = valuesOf(panel, sample);
      if (!values) continue;
      // Differences are of the exact values, not of float32.
      const i = row * sample.width + column;
      const step = state.time - sample.inputs;
      const value =
        panel.kind === "difference"
          ? sample.frame(2 + panel.run, step, state.channel)[i] - sample.frame(1, step, state.channel)[i]
          : values[i];
      const number = element("b", { textContent: withUnit(shown(value), unit) });
      number.dataset.kind = panel.kind;
      number.dataset.run = panel.run ?? "";
      parts.push(element("span", {}, `${panel.title.toLowerCase()} `, number), " ");
    }
    line.replaceChildren(...parts);
  }

  // ---- Controls ------------------------------------------------------------------------------

  function go(time) {
    const sample = load(state.sample);
    const count = sample.inputs + sample.steps;
    state.time = ((time % count) + count) % count;
    draw();
  }

  function play(on) {
    clearInterval(state.timer);
    state.timer = on ? setInterval(() => go(state.time + 1), 1000 / viewer.fps) : null;
    controls.play.setAttribute("aria-pressed", String(on));
    controls.play.textContent = on ? "Pause" : "Play";
  }

  function choose(number) {
    state.sample = number;
    controls.sample.value = String(number);
    const sample = load(number);
    controls.time.max = sample.inputs + sample.steps - 1;
    state.time = Math.min(state.time, Number(controls.time.max));
    if (state.cell && (state.cell[0] >= sample.height || state.cell[1] >= sample.width)) state.cell = null;
    layOut(sample);
    draw();
    for (const row of document.querySelectorAll("#sample-table tbody tr")) {
      row.classList.toggle("shown", row.cells[0].dataset.value === viewer.samples[number].id);
    }
  }

  function fill(select, names) {
    select.append(...names.map(([value, text]) => element("option", { value, textContent: text })));
  }

  function onKey(event) {
    if (event.shiftKey || event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.target.closest("select, textarea, .scroll, pre")) return;
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step) {
      event.preventDefault();
      go(state.time + step);
    } else if (event.key === " " && event.target.closest("#forecasts") && !event.target.closest("button")) {
      event.preventDefault();
      play(!state.timer);
    }
  }

  function startViewer() {
    fill(controls.sample, viewer.samples.map((s, i) => [i, s.label ? `${s.label}: ${s.name}` : s.name]));
    fill(controls.channel, viewer.channels.map(({ name }, i) => [i, name]));
    fill(controls.map, Object.keys(maps).map((name) => [name, name]));
    byId("channel-label").hidden = viewer.channels.length === 1;
    panels.forEach(buildPanel);
    const first = load(0);
    state.time = first.inputs + first.steps - 1;
    controls.sample.addEventListener("change", () => choose(Number(controls.sample.value)));
    controls.channel.addEventListener("change", () => {
      state.channel = Number(controls.channel.value);
      draw();
    });
    controls.map.addEventListener("change", draw);
    controls.scale.addEventListener("change", draw);
    controls.time.addEventListener("input", () => go(Number(controls.time.value)));
    controls.play.addEventListener("click", () => play(!state.timer));
    controls.back.addEventListener("click", () => go(state.time - 1));
    controls.forward.addEventListener("click", () => go(state.time + 1));
    document.addEventListener("keydown", onKey);
    choose(0);
  }

  // ---- Table of samples ----------------------------------------------------------------------

  function compare(a, b) {
    if (a === b) return 0;
    if (a === "" || b === "") return a === "" ? 1 : -1; // scores that are not defined come last
    const [x, y] = [Number(a), Number(b)];
    const isText = Number.isNaN(x) || Number.isNaN(y);
    return isText ? a.localeCompare(b, "en", { numeric: true }) : x - y;
  }

  function sortBy(table, column) {
    const headers = table.tHead.rows[0].cells;
    const descending = headers[column].getAttribute("aria-sort") === "ascending";
    for (const header of headers) header.setAttribute("aria-sort", "none");
    headers[column].setAttribute("aria-sort", descending ? "descending" : "ascending");
    const rows = [...table.tBodies[0].rows];
    const key = (row) => row.cells[column].dataset.value;
    rows.sort((a, b) => {
      const order = compare(key(a), key(b));
      return descending && key(a) !== "" && key(b) !== "" ? -order : order;
    });
    table.tBodies[0].append(...rows);
  }

  function startTable() {
    const table = byId("sample-table");
    [...table.tHead.rows[0].cells].forEach((header, column) => {
      header.querySelector("button").addEventListener("click", () => sortBy(table, column));
    });
    const numbers = new Map(viewer.samples.map((sample, number) => [sample.id, number]));
    for (const { cells } of table.tBodies[0].rows) {
      const number = numbers.get(cells[0].dataset.value);
      if (number === undefined) continue;
      const button = element("button", { type: "button", textContent: cells[0].textContent });
      button.addEventListener("click", () => {
        choose(number);
        byId("forecasts").scrollIntoView();
      });
      cells[0].replaceChildren(button);
    }
  }

  startTable();
  startViewer();
})();
