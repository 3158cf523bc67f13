// A heat map on a canvas: thousands of cells in one drawing, read with the pointer or the arrow keys.
const HEAT_CSS = `
  .wb-heat { font: 14px/1.4 system-ui, sans-serif; color: var(--wb-fg); border: 1px solid var(--wb-line); border-radius: 10px; background: var(--wb-card); padding: 10px 14px 12px; width: 100%; box-sizing: border-box; }
  .wb-heat header { display: flex; flex-wrap: wrap; gap: 6px 14px; align-items: center; margin-bottom: 8px; } .wb-heat h2 { font-size: 12px; letter-spacing: .06em; text-transform: uppercase; color: var(--wb-dim); margin: 0; font-weight: 600; }
  .wb-heat header label { font-size: 12.5px; color: var(--wb-dim); } .wb-heat select { font: inherit; font-size: 13px; color: var(--wb-fg); background: var(--wb-card); border: 1px solid var(--wb-line); border-radius: 6px; padding: 3px 6px; margin-left: 5px; }
  .wb-heat .wb-note { color: var(--wb-dim); font-size: 12.5px; } .wb-heat canvas { display: block; width: 100%; touch-action: manipulation; cursor: crosshair; }
  .wb-read { min-height: 1.5em; margin: 8px 0 0; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; } .wb-legend { display: flex; flex-wrap: wrap; gap: 6px 16px; align-items: center; color: var(--wb-dim); font-size: 12.5px; margin-top: 6px; font-variant-numeric: tabular-nums; }
  .wb-scale { display: inline-block; width: 130px; height: 12px; border-radius: 3px; vertical-align: -2px; margin: 0 6px; background: linear-gradient(90deg, #00224e, #31446b, #666970, #958f78, #cab969, #fee838); }
  .wb-heat :focus-visible { outline: 3px solid var(--wb-info); outline-offset: 2px; }
`;
// Cividis: even in lightness, and the same to eyes that tell red from green or not.
const STOPS = [[0, 34, 78], [49, 68, 107], [102, 105, 112], [149, 143, 120], [202, 185, 105], [254, 232, 56]];

function shade(part) {
  const at = Math.max(0, Math.min(0.99999, part)) * (STOPS.length - 1), i = Math.floor(at), f = at - i;
  return STOPS[i].map((from, k) => Math.round(from + f * (STOPS[i + 1][k] - from)));
}

function written(value, unit) {
  if (value == null) return "–";
  const digits = unit === "n" ? 0 : 2, zero = Math.abs(value) < 0.5 * 10 ** -digits, sign = zero ? "" : value < 0 ? "−" : unit === "USD" && value > 0 ? "+" : "";
  return `${sign}${Math.abs(value).toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits })}${unit === "USD" || unit === "loss" ? " USD" : ""}`;
}

export function render({ model }) {
  const host = node("section", "wb-heat"), head = node("header"), canvas = node("canvas"), read = node("p", "wb-read"), legend = node("div", "wb-legend");
  host.setAttribute("aria-label", "Heat map");
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "application");
  canvas.setAttribute("aria-label", "Heat map: arrow keys move, Enter takes the values into the form");
  read.setAttribute("role", "status");
  host.append(styled(HEAT_CSS), head, canvas, read, legend);
  let map = null, palette = PALETTES.dark, here = null, box = null;
  const wide = () => map.x.ticks.length, high = () => map.y.ticks.length;

  function choose(text, name, options, value) {
    const label = node("label", "", text), select = node("select");
    options.forEach(([key, words]) => { const option = node("option", "", words); option.value = key; option.selected = key === value; select.append(option); });
    select.addEventListener("change", () => model.send_msg({ act: "axes", id: name, values: { [name]: select.value } }));
    label.append(select);
    return label;
  }

  function drawHead() {
    const names = map.parameters.map((name) => [name, name]), parts = [node("h2", "", "Sweep"), choose("colour", "metric", map.metrics, map.metric)];
    if (names.length > 1) parts.push(choose("across", "x", names, map.x.name), choose("up", "y", names.filter(([name]) => name !== map.x.name), map.y.name));
    head.replaceChildren(...parts, node("span", "wb-note", map.note));
  }

  function place() {
    const width = canvas.clientWidth, left = 58, bottom = 34, top = 4, right = 8;
    const height = Math.round(Math.max(150, Math.min(430, high() * 34, width * 0.6))) + top + bottom;
    const dense = window.devicePixelRatio || 1;
    canvas.style.height = `${height}px`;
    canvas.width = Math.round(width * dense);
    canvas.height = Math.round(height * dense);
    box = { left, top, width: width - left - right, height: height - top - bottom, dense, whole: height };
    box.w = box.width / wide();
    box.h = box.height / high();
  }

  const spot = (cell) => [box.left + (cell % wide()) * box.w, box.top + (high() - 1 - Math.floor(cell / wide())) * box.h];

  function draw() {
    if (!map || !canvas.clientWidth) return;
    place();
    const pen = canvas.getContext("2d"), values = map.values[map.metric], known = values.filter((value) => value != null);
    let low = Infinity, top = -Infinity;
    known.forEach((value) => { low = Math.min(low, value); top = Math.max(top, value); });
    pen.setTransform(box.dense, 0, 0, box.dense, 0, 0);
    pen.clearRect(0, 0, canvas.clientWidth, box.whole);
    const gap = box.w > 6 && box.h > 6 ? 1 : 0, lettered = box.w > 50 && box.h > 17;
    pen.font = "12px system-ui, sans-serif";
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    values.forEach((value, cell) => {
      const [x, y] = spot(cell);
      if (value == null) { pen.strokeStyle = palette.line; pen.beginPath(); pen.moveTo(x + 2, y + box.h - 2); pen.lineTo(x + box.w - 2, y + 2); pen.stroke(); return; }
      const share = top - low > 1e-9 * Math.max(Math.abs(top), Math.abs(low)) ? (map.smaller ? top - value : value - low) / (top - low) : 0.5, colour = shade(share);
      pen.fillStyle = `rgb(${colour.join(",")})`;
      pen.fillRect(x, y, Math.ceil(box.w) - gap, Math.ceil(box.h) - gap);
      if (lettered && cell !== map.best) { pen.fillStyle = share > 0.48 ? "#0d1118" : "#ffffff"; pen.fillText(written(value, map.units[map.metric]).replace(" USD", ""), x + box.w / 2, y + box.h / 2); }
    });
    drawAxes(pen);
    drawMarks(pen);
    drawLegend(low, top, known.length);
    host.dataset.drawn = String(values.length);
  }

  function drawAxes(pen) {
    pen.fillStyle = palette.dim;
    const every = (count, room) => Math.max(1, Math.ceil(count / Math.max(1, Math.floor(room))));
    const stepX = every(wide(), box.width / 46), stepY = every(high(), box.height / 17);
    pen.textBaseline = "top";
    map.x.ticks.forEach((text, i) => { if (i % stepX === 0) pen.fillText(text, box.left + (i + 0.5) * box.w, box.top + box.height + 4); });
    pen.fillText(`${map.x.name} →`, box.left + box.width / 2, box.top + box.height + 19);
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    map.y.ticks.forEach((text, i) => { if (i % stepY === 0) pen.fillText(text, box.left - 6, box.top + (high() - 0.5 - i) * box.h); });
    pen.save();
    pen.translate(11, box.top + box.height / 2);
    pen.rotate(-Math.PI / 2);
    pen.textAlign = "center";
    pen.fillText(map.y.name ? `${map.y.name} →` : "", 0, 0);
    pen.restore();
  }

  // The best is a star, its neighbours are rings: shapes, dark on light and light on dark.
  function outlined(pen, path, filled) {
    path();
    pen.lineWidth = 4; pen.strokeStyle = "#0d1118"; pen.stroke();
    path();
    pen.lineWidth = 2; pen.strokeStyle = "#ffffff"; pen.stroke();
    if (filled) { pen.fillStyle = "#ffffff"; pen.fill(); }
  }

  function drawMarks(pen) {
    const size = Math.max(4, Math.min(9, box.w / 3, box.h / 3));
    const centre = (cell) => { const [x, y] = spot(cell); return [x + box.w / 2, y + box.h / 2]; };
    const corner = box.w > 50 && box.h > 17 ? box.w / 2 - 9 : 0;
    map.near.forEach((cell) => { if (map.values[map.metric][cell] == null) return; const [x, y] = centre(cell); outlined(pen, () => { pen.beginPath(); pen.arc(x - corner, y, Math.max(2, size / 2.2), 0, 2 * Math.PI); }, false); });
    if (map.best != null) {
      const [x, y] = centre(map.best);
      outlined(pen, () => { pen.beginPath(); for (let i = 0; i < 10; i++) { const r = i % 2 ? size * 0.45 : size * 1.15, a = -Math.PI / 2 + (i * Math.PI) / 5; pen.lineTo(x + r * Math.cos(a), y + r * Math.sin(a)); } pen.closePath(); }, true);
    }
    if (here != null) { const [x, y] = spot(here); pen.lineWidth = 3; pen.strokeStyle = palette.info; pen.strokeRect(x + 1, y + 1, Math.max(4, box.w - 2), Math.max(4, box.h - 2)); }
  }

  function drawLegend(low, top, known) {
    const unit = map.units[map.metric], scale = node("span", "wb-scale"), ends = node("span");
    if (known) ends.append(written(map.smaller ? top : low, unit), scale, written(map.smaller ? low : top, unit));
    legend.replaceChildren(ends, node("span", "", "★ best"), node("span", "", "○ next to it"), node("span", "", "╱ no value"), node("span", "", "click or Enter takes a cell into the form"));
  }

  function say() {
    const cell = here ?? map.best;
    if (cell == null) { read.textContent = "no combination has a value"; return; }
    const words = [`${map.x.name} ${map.x.ticks[cell % wide()]}`];
    if (map.y.name) words.push(`${map.y.name} ${map.y.ticks[Math.floor(cell / wide())]}`);
    const mark = cell === map.best ? "★ best: " : map.near.includes(cell) ? "○ next to the best: " : "";
    read.textContent = `${mark}${words.join(", ")} · ${map.metrics.map(([name, label]) => `${label} ${written(map.values[name][cell], map.units[name])}`).join(" · ")}`;
  }

  function at(event) {
    const area = canvas.getBoundingClientRect(), column = Math.floor((event.clientX - area.left - box.left) / box.w), row = high() - 1 - Math.floor((event.clientY - area.top - box.top) / box.h);
    return column >= 0 && column < wide() && row >= 0 && row < high() ? row * wide() + column : null;
  }

  const go = (cell) => { if (cell === here) return; here = cell; draw(); say(); };
  function take(cell) {
    if (cell == null) return;
    const values = { [map.x.name]: map.x.ticks[cell % wide()] };
    if (map.y.name) values[map.y.name] = map.y.ticks[Math.floor(cell / wide())];
    model.send_msg({ act: "cell", id: String(cell), values });
  }
  canvas.addEventListener("pointermove", (event) => map && go(at(event)));
  canvas.addEventListener("pointerleave", () => map && go(null));
  canvas.addEventListener("click", (event) => map && take(at(event)));
  canvas.addEventListener("keydown", (event) => {
    if (!map) return;
    const from = here ?? map.best ?? 0, column = from % wide(), row = Math.floor(from / wide());
    const to = { ArrowLeft: [column - 1, row], ArrowRight: [column + 1, row], ArrowUp: [column, row + 1], ArrowDown: [column, row - 1] }[event.key];
    if (event.key === "Enter") take(here ?? map.best);
    if (!to) return;
    event.preventDefault();
    go(Math.max(0, Math.min(high() - 1, to[1])) * wide() + Math.max(0, Math.min(wide() - 1, to[0])));
  });

  model.on("msg:custom", (event) => {
    const began = performance.now();
    map = payload(event);
    here = null;
    drawHead();
    draw();
    say();
    host.dataset.ms = (performance.now() - began).toFixed(1);
  });
  model.send_msg({ act: "hello", id: "", values: {} });
  const end = followTheme(host, (colours) => { palette = colours; draw(); });
  let width = 0;
  const sized = new ResizeObserver(() => { if (canvas.clientWidth !== width) { width = canvas.clientWidth; draw(); } });
  sized.observe(host);
  model.on("remove", () => { sized.disconnect(); end(); });
  return host;
}
