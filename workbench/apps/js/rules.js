// The rule builder: conditions from lists on one side, the text of the file on the other, findings below the text.
const RULES_CSS = `
  .wb-rules { font: 14px/1.4 system-ui, sans-serif; color: var(--wb-fg); display: grid; grid-template-columns: minmax(0, 1.35fr) minmax(0, 1fr); gap: 10px; width: 100%; box-sizing: border-box; }
  .wb-pane { border: 1px solid var(--wb-line); border-radius: 10px; background: var(--wb-card); padding: 12px 14px; min-width: 0; box-sizing: border-box; }
  .wb-rules h2, .wb-rules legend { font-size: 12px; letter-spacing: .06em; text-transform: uppercase; color: var(--wb-dim); margin: 0 0 6px; font-weight: 600; padding: 0; }
  .wb-rules fieldset { border: 0; border-top: 1px solid var(--wb-line); margin: 10px 0 0; padding: 10px 0 0; min-width: 0; }
  .wb-line { display: flex; flex-wrap: wrap; gap: 6px; align-items: center; margin-bottom: 6px; }
  .wb-rules label { color: var(--wb-dim); font-size: 12.5px; display: inline-flex; gap: 5px; align-items: center; }
  .wb-rules input, .wb-rules select, .wb-rules textarea { font: inherit; color: var(--wb-fg); background: var(--wb-card); border: 1px solid var(--wb-line); border-radius: 6px; padding: 4px 7px; box-sizing: border-box; max-width: 100%; }
  .wb-rules input[type=checkbox] { width: 16px; height: 16px; accent-color: var(--wb-info); } .wb-rules input.wb-small { width: 58px; text-align: right; } .wb-rules input.wb-mid { width: 130px; }
  .wb-rules button { background: transparent; color: var(--wb-fg); border: 1px solid var(--wb-line); border-radius: 6px; padding: 4px 10px; font: inherit; font-size: 13px; cursor: pointer; } .wb-rules button:hover { border-color: var(--wb-info); }
  .wb-cond { border-left: 3px solid var(--wb-line); padding: 4px 0 1px 9px; margin-bottom: 6px; } .wb-side { display: inline-flex; flex-wrap: wrap; gap: 4px; align-items: center; } .wb-side select { max-width: 112px; } .wb-side select.wb-what { max-width: 150px; font-weight: 600; }
  .wb-rules textarea { width: 100%; min-height: 520px; resize: vertical; font: 13px/1.5 ui-monospace, monospace; white-space: pre; overflow: auto; tab-size: 2; }
  .wb-pane:has(textarea) { display: flex; flex-direction: column; } .wb-pane textarea { flex: 1; }
  .wb-found { list-style: none; margin: 8px 0 0; padding: 0; } .wb-found li { padding: 4px 0; border-top: 1px solid var(--wb-line); overflow-wrap: anywhere; }
  .wb-found .wb-alarm { color: var(--wb-down); } .wb-found .wb-warn { color: var(--wb-warn); } .wb-found .wb-ok { color: var(--wb-up); } .wb-found .wb-info { color: var(--wb-info); }
  .wb-unread { border-left: 5px solid var(--wb-warn); padding: 6px 10px; margin: 0 0 8px; overflow-wrap: anywhere; } .wb-unread[hidden] { display: none; } .wb-stale { opacity: .5; pointer-events: none; }
  .wb-rules :focus-visible { outline: 3px solid var(--wb-info); outline-offset: 1px; }
  @media (max-width: 600px) { .wb-cond { position: relative; } .wb-cond > .wb-line > button { position: absolute; right: 0; top: 2px; } }
  @media (max-width: 900px) { .wb-rules { grid-template-columns: minmax(0, 1fr); } .wb-rules textarea { min-height: 240px; } }
`;
const OPERATORS = [">", ">=", "<", "<=", "==", "!=", "crosses above", "crosses below", "between"];
const RULE_NAMES = { "entry.long": "Enter long when", "entry.short": "Enter short when", "exit.long": "Leave long when", "exit.short": "Leave short when" };
const TYPED_MS = 250;

export function render({ model }) {
  const host = node("section", "wb-rules"), left = node("div", "wb-pane"), right = node("div", "wb-pane");
  const unread = node("p", "wb-unread"), fields = node("div"), area = node("textarea"), found = node("ul", "wb-found");
  host.setAttribute("aria-label", "Rule builder");
  unread.hidden = true;
  unread.setAttribute("role", "status");
  area.spellcheck = false;
  area.setAttribute("aria-label", "Strategy file");
  found.setAttribute("aria-label", "Findings");
  left.append(node("h2", "", "Rules"), unread, fields);
  right.append(node("h2", "", "The file · YAML"), area, found);
  host.append(styled(RULES_CSS), left, right);
  let form = null, words = [], series = [], frames = [], timer = null, waiting = null, turn = 0;

  const flush = () => { clearTimeout(timer); if (waiting) waiting(); waiting = null; };
  const soon = (act) => { clearTimeout(timer); waiting = act; timer = setTimeout(flush, TYPED_MS); };
  host.addEventListener("focusout", flush);  // what was typed is sent before the button is pressed that saves it
  // One side waits for the other: what is typed into it before the answer came would be lost.
  const ask = (message) => { turn += 1; const asked = { ...message, turn }; soon(() => model.send_msg(asked)); };
  const changed = (redraw) => { if (redraw) draw(); area.readOnly = true; ask({ act: "form", form }); };
  area.addEventListener("input", () => { fields.inert = true; ask({ act: "text", text: area.value }); });

  function input(holder, key, label, css = "wb-small") {
    const box = node("input", css), wrap = node("label", "", label);
    box.value = holder[key] ?? "";
    if (!label) box.setAttribute("aria-label", key);
    box.addEventListener("input", () => { holder[key] = box.value; changed(false); });
    wrap.append(box);
    return wrap;
  }

  function choose(options, value, label, picked) {
    const box = node("select");
    box.setAttribute("aria-label", label);
    const known = options.map((one) => (Array.isArray(one) ? one[0] : one));
    if (!known.includes(value)) options = [...options, [value, value || "–"]];
    options.forEach((one) => { const [key, text] = Array.isArray(one) ? one : [one, one], made = node("option", "", text); made.value = key; made.selected = key === value; box.append(made); });
    box.addEventListener("change", () => picked(box.value));
    return box;
  }

  function button(text, label, act) {
    const made = node("button", "", text);
    made.type = "button";
    if (label) made.setAttribute("aria-label", label);
    made.addEventListener("click", act);
    return made;
  }

  // One side of a condition: a price, an indicator with its arguments, a number, or other words.
  function side(item, key, label) {
    const box = node("span", "wb-side"), ref = item[key], what = "number" in ref ? "#number" : "raw" in ref ? "#raw" : ref.name;
    const options = [...series, ["#number", "a number"], ...words.map((w) => w.name), ["#raw", "other words"]];
    const offer = choose(options, what, label, (value) => {
      const word = words.find((w) => w.name === value), last = word ? word.arguments.map((a) => a.usual) : [];
      while (last.length && last[last.length - 1] === "") last.pop();
      item[key] = value === "#number" ? { number: "0" } : value === "#raw" ? { raw: "close - low" } : { tf: "", name: value, args: last, back: "" };
      changed(true);
    });
    offer.className = "wb-what";
    const known = words.find((w) => w.name === what);
    if (known) offer.title = known.about.replace(/`/g, "");
    box.append(offer);
    if (what === "#number") box.append(labelled(input(ref, "number", ""), `${label}: number`));
    else if (what === "#raw") box.append(labelled(input(ref, "raw", "", "wb-mid"), `${label}: words`));
    else {
      const word = words.find((w) => w.name === ref.name);
      ref.args.forEach((_, i) => box.append(input(ref.args, i, word && word.arguments[i] ? word.arguments[i].name : "")));
      box.append(choose([["", "this bar"], ...[1, 2, 3, 5, 10].map((n) => [String(n), n === 1 ? "1 bar before" : `${n} bars before`])], ref.back, `${label}: look-back`, (value) => { ref.back = value; changed(false); }));
      box.append(choose([["", "own bars"], ...frames.map((f) => [f, f])], ref.tf, `${label}: timeframe`, (value) => { ref.tf = value; changed(false); }));
    }
    return box;
  }
  const labelled = (wrap, text) => { wrap.querySelector("input").setAttribute("aria-label", text); return wrap; };

  function check(holder, key, text) {
    const wrap = node("label", "", text), box = node("input");
    box.type = "checkbox";
    box.checked = Boolean(holder[key]);
    box.addEventListener("change", () => { holder[key] = box.checked; changed(false); });
    wrap.prepend(box);
    return wrap;
  }

  function condition(group, item, i, name) {
    const box = node("div", "wb-cond"), line = node("div", "wb-line"), place = `${RULE_NAMES[name]} ${i + 1}`;
    line.append(check(item, "not", "not"));
    const gone = button("✕", `Remove ${place}`, () => { group.items.splice(i, 1); if (!group.items.length) form.rules[name] = null; if (group.items.length < 2) { group.join = "all"; group.not = false; } changed(true); });
    if ("raw" in item) line.append(labelled(input(item, "raw", "", "wb-mid"), `${place}: words`));
    else {
      line.append(side(item, "left", `${place} left`), choose(OPERATORS, item.op, `${place} operator`, (value) => { item.op = value; item.upper = value === "between" ? item.upper || { number: "0" } : null; changed(true); }), side(item, "right", `${place} right`));
      if (item.op === "between") line.append(node("span", "wb-dim", "and"), side(item, "upper", `${place} upper`));
    }
    line.append(gone);
    box.append(line);
    return box;
  }

  function rule(name) {
    const box = node("fieldset"), group = form.rules[name], line = node("div", "wb-line"), legend = node("legend", "", RULE_NAMES[name]);
    box.append(legend);
    if (form.rest[name.split(".")[0]]) { box.append(node("span", "wb-dim", "written in the text: the form has no field for it")); return box; }
    if (group && group.items.length > 1) line.append(choose([["all", "all of these hold"], ["any", "any of these holds"]], group.join, `${RULE_NAMES[name]}: joined by`, (value) => { group.join = value; changed(false); }), check(group, "not", "not so"));
    if (line.childElementCount) box.append(line);
    if (group) group.items.forEach((item, i) => box.append(condition(group, item, i, name)));
    box.append(button("+ condition", `Add to: ${RULE_NAMES[name]}`, () => {
      const held = form.rules[name] = form.rules[name] || { join: "all", not: false, items: [] };
      held.items.push({ not: false, left: { tf: "", name: "close", args: [], back: "" }, op: ">", right: { tf: "", name: "close", args: [], back: "1" }, upper: null });
      changed(true);
    }));
    return box;
  }

  function amounts(name, title, units, extra) {
    const line = node("div", "wb-line"), held = form[name];
    if (form.rest[name]) { line.append(node("span", "wb-dim", `${title}: written in the text`)); return line; }
    line.append(labelled(input(held, "amount", title), title), choose(units, held.unit, `${title}: unit`, (value) => { held.unit = value; changed(true); }));
    if (held.unit === extra.unit) line.append(input(held, extra.key, extra.label));
    return line;
  }

  function draw() {
    const top = node("div", "wb-line"), last = node("fieldset"), trade = node("div", "wb-line");
    top.append(input(form, "name", "name", "wb-mid"), input(form, "roots", "contracts", "wb-mid"), labelledSelect("bars", choose(["1m", "5m", "15m", "30m", "1h", "4h", "1d"], form.timeframe, "Bars", (value) => { form.timeframe = value; changed(false); })));
    const units = [["ticks", "ticks"], ["points", "points"], ["percent", "percent"], ["atr", "average true ranges"]], length = { unit: "atr", key: "length", label: "length" };
    last.append(node("legend", "", "Stop, target, size, session"), amounts("stop", "stop", units, length), amounts("target", "target", units, length), amounts("sizing", "size", [["contracts", "contracts"], ["risk_usd", "USD at risk"]], { unit: "risk_usd", key: "most", label: "at most contracts" }));
    if (form.rest.trading) trade.append(node("span", "wb-dim", "session: written in the text"));
    else trade.append(input(form.trading, "from", "enter from"), input(form.trading, "to", "to"), input(form.trading, "flat_by", "flat by"), input(form.trading, "most_trades", "trades a day"), input(form.trading, "cooldown", "cool-down bars"));
    last.append(trade);
    if (!form.rest.exit) last.append(input(form, "exit_after", "leave after bars"));
    fields.replaceChildren(top, ...Object.keys(RULE_NAMES).map(rule), last);
  }
  const labelledSelect = (text, box) => { const wrap = node("label", "", text); wrap.append(box); return wrap; };

  model.on("msg:custom", (event) => {
    const message = payload(event);
    if (message.words) { words = message.words; series = message.series; frames = message.frames; }
    const newest = message.turn == null || message.turn === turn;
    if (newest && message.form) { form = message.form; draw(); }
    if (newest && message.text !== undefined) { area.readOnly = false; if (message.text !== area.value) area.value = message.text; }
    if (newest && message.unread !== undefined) { unread.hidden = !message.unread; unread.textContent = message.unread ? `▲ ${message.unread}. The text is kept; mend it there, the form waits.` : ""; fields.classList.toggle("wb-stale", Boolean(message.unread)); fields.inert = Boolean(message.unread); }
    if (message.findings) found.replaceChildren(...message.findings.map(([text, tone]) => node("li", `wb-${tone}`, text)));
  });
  model.send_msg({ act: "hello" });
  const end = followTheme(host, () => {});
  model.on("remove", () => { clearTimeout(timer); end(); });
  return host;
}
