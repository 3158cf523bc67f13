// Lights and big numbers. Texts come ready from Python; what is computed here is only how old they have become.
const SHAPES = { ok: "●", alarm: "✖", warn: "▲", off: "○", info: "■" };

function ageText(seconds) {
  if (seconds == null) return "unknown";
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  return seconds < 120 ? `${Math.round(seconds)} s` : seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}

const CSS = `
  .wb-board { font: 14px/1.4 system-ui, sans-serif; color: var(--wb-fg); width: 100%; box-sizing: border-box; }
  .wb-news { background: #c62828; color: #fff; font-weight: 700; border-radius: 8px; padding: 8px 14px; margin-bottom: 10px; }
  .wb-lights { display: flex; flex-wrap: wrap; gap: 4px 16px; color: var(--wb-dim); font-size: 13px; margin-bottom: 10px; }
  .wb-ok i { color: var(--wb-up); } .wb-info { color: var(--wb-info); font-weight: 700; } .wb-warn { color: var(--wb-warn); font-weight: 700; } .wb-alarm { color: var(--wb-down); font-weight: 700; }
  .wb-lights i { font-style: normal; margin-right: 5px; } .wb-clock { margin-left: auto; font-variant-numeric: tabular-nums; color: var(--wb-fg); }
  .wb-tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 10px; }
  .wb-tile { border: 1px solid var(--wb-line); border-radius: 10px; background: var(--wb-card); padding: 10px 12px; min-width: 0; }
  .wb-label { display: block; color: var(--wb-dim); font-size: 11.5px; letter-spacing: .06em; text-transform: uppercase; }
  .wb-value { display: block; font-size: clamp(16px, 1.35vw, 21px); font-weight: 650; font-variant-numeric: tabular-nums; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
  .wb-value small { font-size: 11px; font-weight: 500; color: var(--wb-dim); }
  .wb-note { display: block; color: var(--wb-dim); font-size: 12px; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; min-height: 1.4em; }
  .wb-up { color: var(--wb-up); } .wb-down { color: var(--wb-down); }
  .wb-track { display: block; height: 5px; border-radius: 3px; background: var(--wb-line); margin-top: 5px; } .wb-track i { display: block; height: 100%; border-radius: 3px; background: var(--wb-up); }
  .wb-track i.wb-high { background: var(--wb-warn); } .wb-track i.wb-full { background: var(--wb-down); }
  .wb-board.wb-old .wb-tiles { filter: grayscale(1); } .wb-board.wb-old .wb-tile { border-style: dashed; }
  @media (max-width: 600px) { .wb-tiles { grid-template-columns: 1fr 1fr; gap: 8px; } .wb-tile { padding: 8px 10px; } .wb-tile:last-child:nth-child(odd) { grid-column: span 2; } .wb-value { font-size: 17px; } .wb-clock { margin-left: 0; } }
`;

function tile(item) {
  const box = node("div", "wb-tile");
  box.append(node("span", "wb-label", item.label), node("span", `wb-value ${item.tone ? `wb-${item.tone}` : ""}`, item.value));
  if (item.unit) box.lastChild.append(node("small", "", ` ${item.unit}`));
  if (item.gauge != null) {
    const track = node("span", "wb-track"), fill = node("i", item.gauge > 0.8 ? "wb-full" : item.gauge > 0.5 ? "wb-high" : "");
    fill.style.width = `${Math.round(item.gauge * 100)}%`;
    track.append(fill);
    box.append(track);
  }
  box.append(node("span", "wb-note", item.note || ""));
  return box;
}

export function render({ model }) {
  const host = node("div", "wb-board"), place = node("div");
  host.append(styled(CSS), place);
  let frame = null, heardAt = performance.now();

  // How old everything is, counted on here, so that a frozen server cannot look fresh.
  const silent = () => (frame && frame.silent_s != null ? frame.silent_s : 0) + (performance.now() - heardAt) / 1000;

  function drawTop() {
    const old = silent(), parts = [];
    if (!frame || frame.dead || old > 3) {
      const why = !frame ? "connecting…" : frame.dead || `no news for ${ageText(old)}: numbers are old`;
      const bad = node("div", "wb-news", `✖ ${frame && frame.dead ? `DESK DEAD · ${why}` : why}`);
      bad.setAttribute("role", "alert");
      parts.push(bad);
    }
    const lights = node("div", "wb-lights");
    (frame ? frame.lights : []).forEach((light) => {
      const one = node("span", `wb-${light.tone}`);
      one.append(node("i", "", SHAPES[light.tone]), light.text);
      lights.append(one);
    });
    if (frame && frame.clock) lights.append(node("span", "wb-clock", `market ${frame.clock}`));
    const tiles = node("div", "wb-tiles");
    (frame ? frame.tiles : []).forEach((item) => tiles.append(tile(item)));
    if (frame && frame.age) tiles.append(ageTile(frame.age, old));
    parts.push(lights, tiles);
    place.replaceChildren(...parts);
    host.classList.toggle("wb-old", Boolean(frame && frame.dead) || old > 3);
  }

  function ageTile(age, old) {
    const seconds = age.age_s == null ? null : age.age_s + old;
    const words = { closed: ["closed", "market closed"], stale: [ageText(seconds), "▲ STALE"], live: [ageText(seconds), "● live"] }[age.state] || ["unknown", "no data yet"];
    const fresh = age.state === "live" && old <= 3;
    return tile({ label: "Data age", value: words[0], tone: fresh ? "up" : age.state === "closed" ? "" : "down", note: age.state === "live" && !fresh ? "▲ STALE: no news" : words[1] });
  }

  model.on("msg:custom", (event) => { frame = payload(event); heardAt = performance.now(); drawTop(); });
  const timer = setInterval(drawTop, 500), end = followTheme(host, () => {});
  drawTop();
  model.on("remove", () => { clearInterval(timer); end(); });
  return host;
}
