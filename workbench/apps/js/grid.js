// A table: text comes ready from Python. Rows are known by their id, so that a row being acted on is not pulled away.
// Paging and filtering are done where the rows are: here for what was sent, in Python where `total` says there is more.
const GRID_CSS = `
  .wb-grid { font: 14px/1.4 system-ui, sans-serif; color: var(--wb-fg); border: 1px solid var(--wb-line); border-radius: 10px; background: var(--wb-card); padding: 10px 14px 12px; width: 100%; box-sizing: border-box; }
  .wb-grid header { display: flex; flex-wrap: wrap; gap: 6px 12px; align-items: center; margin-bottom: 4px; }
  .wb-grid h2 { font-size: 12px; letter-spacing: .06em; text-transform: uppercase; color: var(--wb-dim); margin: 0; font-weight: 600; }
  .wb-grid .wb-note { color: var(--wb-dim); font-size: 12.5px; }
  .wb-grid .wb-find { margin-left: auto; width: min(210px, 100%); background: transparent; color: inherit; border: 1px solid var(--wb-line); border-radius: 6px; padding: 4px 8px; font: inherit; } .wb-find::placeholder { color: var(--wb-dim); opacity: 1; }
  .wb-grid [hidden] { display: none; } .wb-scroll { overflow-x: auto; background: linear-gradient(90deg, var(--wb-card) 40%, transparent) 0 0 / 40px 100% local, linear-gradient(270deg, var(--wb-card) 40%, transparent) 100% 0 / 40px 100% local, linear-gradient(90deg, color-mix(in srgb, var(--wb-fg) 22%, transparent), transparent) 0 0 / 14px 100% scroll, linear-gradient(270deg, color-mix(in srgb, var(--wb-fg) 22%, transparent), transparent) 100% 0 / 14px 100% scroll; background-repeat: no-repeat; }
  .wb-grid table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
  .wb-grid th, .wb-grid td { text-align: left; padding: 5px 14px 5px 0; white-space: nowrap; font-weight: 400; } .wb-grid tr { border-bottom: 1px solid var(--wb-line); }
  .wb-grid th { color: var(--wb-dim); font-size: 12px; } .wb-grid tbody tr:last-child { border-bottom: 0; }
  .wb-grid .wb-number { text-align: right; } .wb-grid td.wb-wrap { white-space: normal; overflow-wrap: anywhere; min-width: 120px; } .wb-grid th.wb-wrap { white-space: normal; }
  .wb-grid tr.wb-pick { cursor: pointer; } .wb-grid tr.wb-pick:hover, .wb-grid tr[aria-selected=true] { background: color-mix(in srgb, var(--wb-info) 14%, transparent); }
  .wb-up { color: var(--wb-up); } .wb-down, .wb-alarm { color: var(--wb-down); } .wb-ok { color: var(--wb-up); } .wb-warn { color: var(--wb-warn); } .wb-info { color: var(--wb-info); } .wb-dim, .wb-empty { color: var(--wb-dim); }
  .wb-acts { display: flex; gap: 6px; justify-content: flex-end; align-items: center; } .wb-acts:has(.wb-sure) { flex-wrap: wrap; }
  .wb-acts button, .wb-pages button { background: transparent; color: var(--wb-fg); border: 1px solid var(--wb-line); border-radius: 6px; padding: 3px 10px; font: inherit; font-size: 13px; cursor: pointer; }
  .wb-acts button:hover:not(:disabled), .wb-pages button:hover:not(:disabled) { border-color: var(--wb-info); }
  .wb-acts button:disabled, .wb-pages button:disabled { opacity: .45; cursor: default; }
  .wb-acts button.wb-sure { background: var(--wb-warn); color: var(--wb-card); border-color: var(--wb-warn); font-weight: 700; }
  .wb-acts label { font-size: 12px; color: var(--wb-dim); } .wb-acts input { width: 92px; margin-left: 5px; text-align: right; background: transparent; color: var(--wb-fg); border: 1px solid var(--wb-line); border-radius: 6px; padding: 3px 6px; font: inherit; font-variant-numeric: tabular-nums; }
  .wb-wide td:has(> .wb-acts) { position: sticky; right: 0; background: var(--wb-card); box-shadow: -8px 0 8px -6px color-mix(in srgb, var(--wb-fg) 25%, transparent); }
  @media (max-width: 760px) { .wb-grid td:has(> .wb-acts) { position: sticky; right: 0; background: var(--wb-card); padding: 5px 0 5px 10px; box-shadow: -8px 0 8px -6px color-mix(in srgb, var(--wb-fg) 25%, transparent); } }
  @media (min-width: 601px) { .wb-grid .wb-number + td:not(.wb-number), .wb-grid .wb-number + th:not(.wb-number) { padding-left: 14px; } }
  @media (max-width: 600px) {
    .wb-stack .wb-scroll { overflow: visible; background: none; } .wb-stack table, .wb-stack tbody { display: block; } .wb-stack thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
    .wb-stack tr { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); grid-auto-flow: dense; gap: 1px 16px; padding: 8px 6px; margin: 0 -6px; }
    .wb-grid.wb-stack td { display: flex; justify-content: space-between; gap: 8px; padding: 0; white-space: normal; text-align: right; min-width: 0; overflow-wrap: anywhere; } .wb-grid.wb-stack td:empty { display: none; } .wb-grid.wb-stack td.wb-wrap.wb-long { justify-content: flex-start; text-align: left; }
    .wb-stack td::before { content: attr(data-head); color: var(--wb-dim); font-size: 12px; line-height: 1.65; text-align: left; white-space: nowrap; flex: none; } .wb-stack td.wb-long, .wb-stack td:has(> .wb-acts) { grid-column: 1 / -1; }
    .wb-grid.wb-stack td:has(> .wb-acts) { position: static; background: none; box-shadow: none; padding: 5px 0 1px; justify-content: flex-end; }
  }
  .wb-grid :focus-visible { outline: 3px solid var(--wb-info); outline-offset: 1px; }
  .wb-pages { display: flex; gap: 8px; align-items: center; margin-top: 8px; color: var(--wb-dim); font-size: 13px; }
`;
const ROWS = 25, CARDS = 10, ASK_MS = 6000, LONG = 19;

export function render({ model }) {
  const host = node("section", "wb-grid"), head = node("header"), title = node("h2", "", model.title), note = node("span", "wb-note"), find = node("input", "wb-find");
  const scroll = node("div", "wb-scroll"), grid = node("table"), top = node("thead"), body = node("tbody"), empty = node("div", "wb-empty", "…"), pages = node("div", "wb-pages");
  const back = node("button", "", model.by_time ? "‹ newer" : "‹ back"), on = node("button", "", model.by_time ? "older ›" : "more ›"), where = node("span");
  [back, on].forEach((button) => { button.type = "button"; });
  host.setAttribute("aria-label", model.title);
  Object.assign(find, { type: "search", placeholder: "find…" });
  find.setAttribute("aria-label", `Find in ${model.title}`);
  head.append(title, note, ...(model.searchable ? [find] : []));
  grid.append(top, body);
  scroll.append(grid);
  pages.append(back, where, on);
  pages.hidden = true;
  host.append(styled(GRID_CSS), head, scroll, empty, pages);
  const phone = matchMedia("(max-width: 600px)");
  let content = null, page = 0, lines = new Map(), picked = null, given = null, asked = new Set();

  // As rows of cards a table would be none to a screen reader: it is told what everything is.
  const roled = (element, role) => { element.setAttribute("role", role); return element; };
  roled(grid, "table");
  [top, body].forEach((part) => roled(part, "rowgroup"));
  const send = (message) => model.send_msg(message);
  const far = () => content.total != null;  // Python holds the rest: it is asked for the page
  const size = () => (far() ? content.page_size : host.classList.contains("wb-stack") && phone.matches ? CARDS : ROWS);

  function cell(value, column) {
    const [text, tone] = Array.isArray(value) ? value : [value, ""];
    const long = String(text ?? "").length + column.title.length > LONG;  // on a phone it has a line of its own
    const made = node("td", `${column.number ? "wb-number" : ""} ${column.wrap ? "wb-wrap" : ""} ${long ? "wb-long" : ""} ${tone ? `wb-${tone}` : ""}`, text ?? "–");
    made.dataset.head = column.title;
    made.setAttribute("role", "cell");
    return made;
  }

  function act(row, one, place) {
    const values = { ...(one.seen || {}) };  // what the question was about: meanwhile it may be otherwise
    const done = () => { place.querySelectorAll("input").forEach((input) => { values[input.name] = input.value; }); asked.delete(row.id); send({ act: one.verb, id: row.id, values }); place.replaceChildren(node("span", "wb-dim", "asked…")); };
    const undo = () => free(row.id);
    if (!one.sure && !one.inputs) return done();
    asked.add(row.id);
    const sure = node("button", "wb-sure", one.sure || one.label), no = node("button", "", "Keep");
    sure.type = no.type = "button";
    const fields = (one.inputs || []).map((input) => {
      const label = node("label", "", input.label), box = node("input");
      Object.assign(box, { name: input.name, type: "number", step: input.step ?? "any", value: input.value ?? "" });
      box.addEventListener("keydown", (event) => { if (event.key === "Enter") done(); if (event.key === "Escape") undo(); });
      label.append(box);
      return label;
    });
    place.replaceChildren(...fields, sure, no);
    (fields.length ? fields[0].querySelector("input") : sure).focus();
    sure.addEventListener("click", (event) => { if (event.detail < 2) done(); });  // a double click has read no question
    no.addEventListener("click", undo);
    if (!fields.length) setTimeout(() => { if (asked.has(row.id) && place.contains(sure)) undo(); }, ASK_MS);
  }

  // A row stays the same element as long as it is shown: a button that is replaced between press and release is not pressed.
  function line(row) {
    const element = roled(node("tr"), "row"), held = { element, cells: [], acts: null, place: null };
    content.columns.forEach(() => element.append(node("td")));
    if (model.selectable) {
      element.className = "wb-pick";
      element.tabIndex = 0;
      const pick = () => { picked = row.id; mark(); send({ act: "pick", id: row.id, values: {} }); };
      element.addEventListener("click", pick);
      element.addEventListener("keydown", (event) => { if (event.key === "Enter" && event.target === element) pick(); });
    }
    return held;
  }

  function fill(held, row) {
    content.columns.forEach((column, i) => {
      const told = JSON.stringify(row.cells[i]);
      if (held.cells[i] === told) return;
      held.cells[i] = told;
      held.element.children[i].replaceWith(cell(row.cells[i], column));
    });
    const acts = JSON.stringify(row.acts || []);
    if (held.acts === acts || asked.has(row.id)) return;
    held.acts = acts;
    if (held.place) held.place.parentElement.remove();
    held.place = null;
    if (!row.acts) return;
    const last = roled(node("td"), "cell"), place = held.place = node("div", "wb-acts");
    row.acts.forEach((one) => {
      const button = node("button", "", one.label);
      button.type = "button";
      if (one.why_not) { button.disabled = true; button.title = one.why_not; }
      button.addEventListener("click", (event) => { event.stopPropagation(); act(row, one, place); });
      place.append(button);
    });
    last.append(place);
    held.element.append(last);
  }

  // The buttons of a row come back: after an answer, or when the person thought better of it.
  function free(id) {
    asked.delete(id);
    const held = lines.get(id);
    if (held) held.acts = null;
    draw();
  }

  const mark = () => lines.forEach((held, id) => held.element.setAttribute("aria-selected", String(id === picked)));

  function wanted() {
    const words = find.value.trim().toLowerCase();
    const text = (row) => row.cells.map((value) => (Array.isArray(value) ? value[0] : value)).join(" ").toLowerCase();
    return words && !far() ? content.rows.filter((row) => text(row).includes(words)) : content.rows;
  }

  function draw() {
    const all = wanted(), count = far() ? content.total : all.length;
    const last = Math.max(0, Math.ceil(count / size()) - 1);
    page = Math.min(far() ? content.page : page, last);
    const rows = far() ? all : all.slice(page * size(), (page + 1) * size()), keep = new Map();
    rows.forEach((row, i) => {
      const held = lines.get(row.id) || line(row);
      fill(held, row);
      keep.set(row.id, held);
      if (body.children[i] !== held.element) body.insertBefore(held.element, body.children[i] || null);
    });
    while (body.children.length > rows.length) body.lastChild.remove();
    lines = keep;
    if (content.picked != null && content.picked !== given) picked = given = content.picked;  // Python has chosen another one
    mark();
    if (fit()) return;
    empty.hidden = rows.length > 0;
    empty.textContent = content.rows.length && !rows.length ? `nothing matches “${find.value}”` : content.empty || "nothing yet";
    grid.hidden = !rows.length;
    note.textContent = content.note || "";
    pages.hidden = count <= size();
    where.textContent = `${(page * size() + 1).toLocaleString("en-US")}–${Math.min(count, (page + 1) * size()).toLocaleString("en-US")} of ${count.toLocaleString("en-US")}`;
    back.disabled = page === 0;
    on.disabled = page >= last;
  }

  // A table that does not fit on a phone becomes cards, fewer of them at a time; true when it has been drawn anew.
  function fit() {
    host.classList.toggle("wb-wide", grid.scrollWidth > scroll.clientWidth + 1);  // its buttons stay in sight
    if (!content || !phone.matches || host.classList.contains("wb-stack") || !scroll.clientWidth || grid.scrollWidth <= scroll.clientWidth + 1) return false;
    host.classList.add("wb-stack");
    draw();
    return true;
  }

  function heads() {
    const row = roled(node("tr"), "row");
    content.columns.forEach((column) => { const cell = roled(node("th", column.number ? "wb-number" : column.wrap ? "wb-wrap" : "", column.title), "columnheader"); cell.scope = "col"; row.append(cell); });
    if (content.rows.some((one) => one.acts)) row.append(node("th"));
    top.replaceChildren(row);
  }

  function go(step) {
    page += step;
    if (far()) send({ act: "page", id: String(page), values: {} });
    else draw();
  }
  back.addEventListener("click", () => go(-1));
  on.addEventListener("click", () => go(1));
  find.addEventListener("input", () => { page = 0; if (far()) send({ act: "find", id: find.value, values: {} }); else draw(); });

  model.on("msg:custom", (event) => {
    const message = payload(event);
    if (message.columns) {
      if (content && content.columns.length !== message.columns.length) { lines = new Map(); host.classList.remove("wb-stack"); }
      content = message;
      heads();
      draw();
    }
    if (message.done !== undefined && content && !asked.has(message.done)) free(message.done);
  });
  send({ act: "hello", id: "", values: {} });  // messages sent before this view stood are lost
  const end = followTheme(host, () => {});
  const sized = new ResizeObserver(fit);
  sized.observe(scroll);
  model.on("remove", () => { sized.disconnect(); end(); });
  return host;
}
