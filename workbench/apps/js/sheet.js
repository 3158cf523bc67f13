// What a run came to: its name, what it stands on, what makes it hard to believe, and big numbers.
const SHEET_CSS = `
  .wb-sheet { font: 14px/1.4 system-ui, sans-serif; color: var(--wb-fg); width: 100%; box-sizing: border-box; }
  .wb-sheet h2 { font-size: 17px; margin: 0; overflow-wrap: anywhere; } .wb-sheet .wb-sub { color: var(--wb-dim); font-size: 12.5px; margin: 2px 0 8px; overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
  .wb-sheet .wb-none { color: var(--wb-dim); border: 1px dashed var(--wb-line); border-radius: 10px; padding: 22px; text-align: center; margin: 0; }
  .wb-said { border: 1px solid var(--wb-line); border-left: 5px solid var(--wb-info); border-radius: 8px; background: var(--wb-card); padding: 8px 14px; margin: 0 0 8px; overflow-wrap: anywhere; }
  .wb-said.wb-alarm { border-left-color: var(--wb-down); } .wb-said.wb-warn { border-left-color: var(--wb-warn); } .wb-said.wb-ok { border-left-color: var(--wb-up); }
  .wb-sheet ul.wb-said { list-style: none; } .wb-sheet li + li { margin-top: 3px; }
  .wb-figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(138px, 1fr)); gap: 10px; margin: 0; }
  .wb-figure { border: 1px solid var(--wb-line); border-radius: 10px; background: var(--wb-card); padding: 9px 11px; min-width: 0; }
  .wb-figure dt { color: var(--wb-dim); font-size: 11.5px; letter-spacing: .06em; text-transform: uppercase; } .wb-figure dd { margin: 0; }
  .wb-figure .wb-value { font-size: clamp(16px, 1.35vw, 20px); font-weight: 650; font-variant-numeric: tabular-nums; white-space: nowrap; text-align: right; } .wb-figure small { font-size: 10.5px; font-weight: 500; color: var(--wb-dim); }
  .wb-figure .wb-why, .wb-figure .wb-other { color: var(--wb-dim); font-size: 12px; line-height: 1.3; overflow-wrap: anywhere; } .wb-figure .wb-other { text-align: right; font-variant-numeric: tabular-nums; }
  .wb-up { color: var(--wb-up); } .wb-down { color: var(--wb-down); }
  @media (max-width: 600px) { .wb-figures { grid-template-columns: 1fr 1fr; gap: 8px; } }
`;

export function render({ model }) {
  const host = node("section", "wb-sheet"), place = node("div");
  host.setAttribute("aria-label", model.title);
  host.append(styled(SHEET_CSS), place);

  function figure(item) {
    const box = node("div", "wb-figure"), value = node("dd", `wb-value ${item.tone ? `wb-${item.tone}` : ""}`, item.value);
    if (item.unit) value.append(node("small", "", ` ${item.unit}`));
    box.append(node("dt", "", item.label), value);
    if (item.other !== undefined) box.append(node("dd", "wb-other", `B ${item.other}`));
    if (item.note) box.append(node("dd", "wb-why", item.note));
    return box;
  }

  model.on("msg:custom", (event) => {
    const message = payload(event), parts = [];
    if (message.empty) { place.replaceChildren(node("p", "wb-none", message.empty)); return; }
    parts.push(node("h2", "", message.title), node("p", "wb-sub", message.sub));
    if (message.versus) parts.push(node("p", "wb-sub", message.versus));
    if (message.verdict) parts.push(node("p", `wb-said wb-${message.verdict_tone}`, `${{ ok: "✓", warn: "▲", alarm: "✖" }[message.verdict_tone] || ""} ${message.verdict}`));
    if (message.alarms.length) { const list = node("ul", "wb-said wb-warn"); list.append(...message.alarms.map((text) => node("li", "", `▲ ${text}`))); parts.push(list); }
    const figures = node("dl", "wb-figures");
    figures.append(...message.tiles.map(figure));
    parts.push(figures);
    place.replaceChildren(...parts);
  });
  model.send_msg({ act: "hello" });
  const end = followTheme(host, () => {});
  model.on("remove", end);
  return host;
}
