// A form by messages: groups of fields, what is wrong with a value said beside it before anything is asked.
const FORM_CSS = `
  .wb-form { font: 14px/1.4 system-ui, sans-serif; color: var(--wb-fg); border: 1px solid var(--wb-line); border-radius: 10px; background: var(--wb-card); padding: 12px 14px 14px; width: 100%; box-sizing: border-box; }
  .wb-form fieldset { border: 0; margin: 0 0 10px; padding: 0; min-width: 0; }
  .wb-form legend { font-size: 12px; letter-spacing: .06em; text-transform: uppercase; color: var(--wb-dim); font-weight: 600; padding: 0; margin-bottom: 4px; }
  .wb-form legend small { text-transform: none; letter-spacing: 0; font-weight: 400; margin-left: 8px; }
  .wb-fields { display: grid; grid-template-columns: repeat(auto-fill, minmax(158px, 1fr)); gap: 8px 14px; }
  .wb-fields.wb-wide { grid-template-columns: repeat(auto-fill, minmax(270px, 1fr)); }
  .wb-field { min-width: 0; } .wb-field > label, .wb-field > .wb-name { display: block; font-size: 13px; font-weight: 600; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
  .wb-form input:not([type=checkbox]):not([type=radio]), .wb-form select { width: 100%; box-sizing: border-box; height: 34px; font: inherit; font-variant-numeric: tabular-nums; color: var(--wb-fg); background: var(--wb-page, transparent); border: 1px solid var(--wb-line); border-radius: 6px; padding: 4px 8px; color-scheme: var(--wb-scheme); }
  .wb-form select option { background: var(--wb-card); color: var(--wb-fg); }
  .wb-form input[type=number] { text-align: right; } .wb-form input[aria-invalid=true] { border-color: var(--wb-down); border-width: 2px; }
  .wb-hint { font-size: 12px; color: var(--wb-dim); overflow-wrap: anywhere; min-height: 1.3em; display: block; line-height: 1.3; margin-top: 2px; }
  .wb-hint:empty { display: none; } .wb-hint.wb-wrong { color: var(--wb-down); font-weight: 600; }
  .wb-range { display: grid; grid-template-columns: 1fr 1fr 1fr; gap: 6px; } .wb-range label, .wb-range input { font-size: 13px; } .wb-range span { font-size: 11px; color: var(--wb-dim); }
  .wb-vary { display: flex; gap: 7px; align-items: center; font-weight: 600; font-size: 13px; } .wb-field > label.wb-vary { display: flex; min-height: 34px; white-space: normal; } .wb-vary input { width: 17px; height: 17px; margin: 0; flex: none; accent-color: var(--wb-info); }
  .wb-modes { display: inline-flex; border: 1px solid var(--wb-line); border-radius: 8px; overflow: hidden; margin-right: 12px; flex: none; }
  .wb-modes button { border: 0; border-radius: 0; background: transparent; color: var(--wb-dim); padding: 7px 14px; font: inherit; cursor: pointer; } .wb-modes button + button { border-left: 1px solid var(--wb-line); }
  .wb-modes button[aria-pressed=true] { background: color-mix(in srgb, var(--wb-info) 20%, transparent); color: var(--wb-fg); font-weight: 700; }
  .wb-top { display: flex; flex-wrap: wrap; gap: 8px 12px; margin-bottom: 12px; align-items: center; } .wb-top select { flex: 1 1 240px; max-width: 520px; width: auto; }
  .wb-about { color: var(--wb-dim); font-size: 13px; margin: -4px 0 10px; overflow-wrap: anywhere; }
  .wb-foot { display: flex; flex-wrap: wrap; gap: 8px 14px; align-items: center; border-top: 1px solid var(--wb-line); padding-top: 10px; }
  .wb-foot button { background: var(--wb-info); color: var(--wb-on); border: 1px solid var(--wb-info); border-radius: 8px; padding: 8px 20px; font: inherit; font-weight: 700; cursor: pointer; }
  .wb-foot button:disabled { opacity: .45; cursor: default; } .wb-foot button.wb-second { background: transparent; color: var(--wb-fg); border-color: var(--wb-line); font-weight: 500; padding: 6px 12px; }
  .wb-foot .wb-words { font-variant-numeric: tabular-nums; } .wb-words.wb-alarm { color: var(--wb-down); font-weight: 600; } .wb-words.wb-warn { color: var(--wb-warn); }
  .wb-going { display: flex; flex-wrap: wrap; gap: 10px; align-items: center; margin-left: auto; } .wb-going[hidden] { display: none; }
  .wb-going progress { width: 180px; height: 12px; accent-color: var(--wb-info); }
  .wb-form :focus-visible { outline: 3px solid var(--wb-info); outline-offset: 1px; }
  @media (max-width: 600px) { .wb-fields { grid-template-columns: 1fr 1fr; } .wb-fields.wb-wide { grid-template-columns: 1fr; } .wb-modes { width: 100%; margin: 0; } .wb-modes button { flex: 1; padding: 8px 4px; } .wb-top select { flex: 1 1 100%; width: 100%; min-width: 0; max-width: 100%; } .wb-going { margin-left: 0; } }
`;
const TYPED_MS = 250;

export function render({ model }) {
  const host = node("section", "wb-form"), top = node("div", "wb-top"), about = node("p", "wb-about"), body = node("form"), foot = node("div", "wb-foot");
  const words = node("span", "wb-words"), going = node("span", "wb-going"), bar = node("progress"), told = node("span"), stop = node("button", "wb-second", "Cancel");
  host.setAttribute("aria-label", model.title);
  words.setAttribute("role", "status");
  bar.setAttribute("aria-label", "Progress of the run");
  stop.type = "button";
  going.append(bar, told, stop);
  host.append(styled(FORM_CSS), top, about, body, foot);
  const send = (act, values, id = "") => model.send_msg({ act, id, values });
  let shape = "", typed = {}, wrong = new Map(), buttons = [], timer = null, running = "", refusal = "";

  const problem = (field, text) => {
    const value = Number(text);
    if (text.trim() === "" || !Number.isFinite(value)) return "a number is needed";
    if (field.whole && !Number.isInteger(value)) return "a whole number is needed";
    if (field.min != null && value < field.min) return `at least ${field.min}`;
    if (field.max != null && value > field.max) return `at most ${field.max}`;
    return "";
  };

  function ready() {
    buttons.forEach(({ button, primary }) => { button.disabled = primary && (wrong.size > 0 || refusal !== ""); });
  }

  function set(name, value, at_once) {
    typed[name] = value;
    clearTimeout(timer);
    const tell = () => { timer = null; const values = typed; typed = {}; if (Object.keys(values).length) send("change", values); };
    if (at_once) tell(); else timer = setTimeout(tell, TYPED_MS);
  }

  function number(field, name, value, hint, limits) {
    const box = node("input");
    Object.assign(box, { type: "number", name, value, step: field.step ?? "any" });
    const look = () => {
      const why = problem(limits, box.value);
      box.setAttribute("aria-invalid", String(why !== ""));
      if (why) wrong.set(name, why); else wrong.delete(name);
      const first = [...wrong].find(([key]) => key === field.name || key.startsWith(`${field.name}.`));
      hint.textContent = first ? `✖ ${first[1]}${field.bounds ? ` (${field.bounds})` : ""}` : hint.dataset.text;
      hint.className = `wb-hint ${first ? "wb-wrong" : ""}`;
      ready();
    };
    box.addEventListener("input", () => { look(); set(name, box.value); });
    look();
    return box;
  }

  function choice(name, options, value) {
    const box = node("select");
    box.name = name;
    (options || []).forEach(([key, text]) => { const option = node("option", "", text); option.value = key; option.selected = key === value; box.append(option); });
    box.addEventListener("change", () => set(name, box.value, true));
    return box;
  }

  function labelled(text, box) {
    const label = node("label", "", text);
    box.setAttribute("aria-label", text);
    return label;
  }

  function ranged(field, place, hint) {
    const vary = node("input"), label = node("label", "wb-vary"), inputs = node("div", "wb-range");
    Object.assign(vary, { type: "checkbox", name: `${field.name}.vary`, checked: field.vary });
    label.append(vary, node("span", "", field.label));
    const draw = () => {
      [...wrong.keys()].filter((key) => key === field.name || key.startsWith(`${field.name}.`)).forEach((key) => wrong.delete(key));
      const parts = vary.checked ? [["low", "from"], ["high", "to"], ["step", "step"]] : [["", "held at"]];
      inputs.replaceChildren(...parts.map(([part, text]) => {
        const name = part ? `${field.name}.${part}` : field.name, cell = node("label"), limits = part === "step" ? { min: 0, whole: field.whole } : field;
        const box = number(field, name, field[part || "value"], hint, limits);
        box.setAttribute("aria-label", `${field.label} ${text}`);
        box.addEventListener("input", () => { field[part || "value"] = box.value; });
        cell.append(node("span", "", text), box);
        return cell;
      }));
    };
    vary.addEventListener("change", () => { draw(); set(vary.name, String(vary.checked), true); });
    place.append(label, inputs);
    draw();
  }

  function line(field) {
    const place = node("div", "wb-field"), hint = node("span", "wb-hint");
    hint.dataset.text = hint.textContent = field.hint || field.bounds || "";
    if (field.kind === "range") ranged(field, place, hint);
    else {
      let box;
      if (field.kind === "select") box = choice(field.name, field.options, field.value);
      else if (field.kind === "number") box = number(field, field.name, field.value, hint, field);
      else {
        box = node("input");
        Object.assign(box, { type: field.kind, name: field.name, value: field.value, checked: field.kind === "checkbox" && field.value === "true" });
        box.addEventListener("change", () => set(field.name, field.kind === "checkbox" ? String(box.checked) : box.value, true));
      }
      if (field.bounds) box.title = field.bounds;
      const label = labelled(field.label, box);
      if (field.kind === "checkbox") { label.className = "wb-vary"; label.prepend(box); place.append(label); } else place.append(label, box);
    }
    place.append(hint);
    return place;
  }

  function drawTop(message) {
    const modes = node("div", "wb-modes");
    modes.setAttribute("role", "group");
    (message.modes || []).forEach(([key, text]) => {
      const button = node("button", "", text);
      button.type = "button";
      button.setAttribute("aria-pressed", String(key === message.mode));
      button.addEventListener("click", () => set("mode", key, true));
      modes.append(button);
    });
    const parts = message.modes ? [modes] : [];
    if (message.subject) {
      const box = choice("subject", message.subject.options, message.subject.value);
      box.setAttribute("aria-label", message.subject.label);
      parts.push(box);
    }
    top.replaceChildren(...parts);
    top.hidden = !parts.length;
    about.textContent = message.about || "";
    about.hidden = !message.about;
  }

  function drawForm(message) {
    const told = JSON.stringify([message.groups.map((group) => [group.title, group.fields.map((field) => [field.name, field.kind, field.options, field.hint])]), message.mode, message.subject, message.stamp]);
    if (told === shape) return;
    const active = body.getRootNode().activeElement, focus = active && active.name;
    shape = told;
    wrong = new Map();
    drawTop(message);
    body.replaceChildren(...message.groups.map((group) => {
      const set = node("fieldset"), legend = node("legend", "", group.title), fields = node("div", `wb-fields ${group.fields.some((field) => field.kind === "range") ? "wb-wide" : ""}`);
      if (group.note) legend.append(node("small", "", group.note));
      fields.append(...group.fields.map(line));
      set.append(legend, fields);
      return set;
    }));
    buttons = message.buttons.map(([act, text, primary]) => {
      const button = node("button", primary ? "" : "wb-second", text);
      button.type = "button";
      button.addEventListener("click", () => { clearTimeout(timer); const values = typed; typed = {}; send(act, values); });
      return { button, primary };
    });
    foot.replaceChildren(...buttons.map(({ button }) => button), words, going);
    if (focus) { const again = host.querySelector(`[name="${CSS.escape(focus)}"]`); if (again) again.focus(); }
    ready();
  }

  body.addEventListener("submit", (event) => event.preventDefault());
  body.addEventListener("keydown", (event) => { if (event.key === "Enter" && event.target.tagName === "INPUT") { const first = buttons.find(({ primary }) => primary); if (first && !first.button.disabled) first.button.click(); } });
  stop.addEventListener("click", () => send("cancel", {}, running));

  function drawGoing(state) {
    going.hidden = !state;
    if (!state) return;
    running = state.id;
    told.textContent = state.text + (state.progress == null ? "" : ` ${Math.round(100 * state.progress)} %`);
    if (state.progress == null) bar.removeAttribute("value"); else bar.value = state.progress;
  }
  drawGoing(null);

  model.on("msg:custom", (event) => {
    const message = payload(event);
    if (message.groups) drawForm(message);
    if (message.words !== undefined) {
      words.textContent = (message.tone === "alarm" ? "✖ " : message.tone === "warn" ? "▲ " : "") + message.words;
      words.className = `wb-words ${message.tone ? `wb-${message.tone}` : ""}`;
      refusal = message.tone === "alarm" ? message.words : "";
      ready();
    }
    if (message.going !== undefined) drawGoing(message.going);
  });
  send("hello", {});
  const end = followTheme(host, (_, name) => { host.style.setProperty("--wb-scheme", name); host.style.setProperty("--wb-on", name === "dark" ? "#0d1118" : "#ffffff"); });
  model.on("remove", () => { clearTimeout(timer); end(); });
  return host;
}
