// Which report, with which values, now or by the clock. Templates and words come from Python; typed values go back as text.
const REPORT_FORM_CSS = `
  .wb-ask { font: 14px/1.4 system-ui, sans-serif; color: var(--wb-fg); border: 1px solid var(--wb-line); border-radius: 10px; background: var(--wb-card); padding: 10px 14px 14px; width: 100%; box-sizing: border-box; }
  .wb-ask h2 { font-size: 12px; letter-spacing: .06em; text-transform: uppercase; color: var(--wb-dim); margin: 0 0 8px; font-weight: 600; }
  .wb-ask form { display: grid; grid-template-columns: repeat(auto-fill, minmax(210px, 1fr)); gap: 10px 14px; align-items: start; }
  .wb-ask label { font-size: 13px; font-weight: 600; min-width: 0; } .wb-ask .wb-all { grid-column: 1 / -1; }
  .wb-ask small { display: block; color: var(--wb-dim); font-weight: 400; font-size: 12px; line-height: 1.3; overflow-wrap: anywhere; }
  .wb-ask input, .wb-ask select { display: block; width: 100%; box-sizing: border-box; height: 34px; margin-top: 2px; font: inherit; font-weight: 400; color: var(--wb-fg); background: var(--wb-card); border: 1px solid var(--wb-line); border-radius: 6px; padding: 4px 8px; }
  .wb-ask input[inputmode=numeric] { text-align: right; font-variant-numeric: tabular-nums; }
  .wb-ask button { background: var(--wb-info); color: #fff; border: 1px solid var(--wb-info); border-radius: 8px; padding: 8px 20px; font: inherit; font-weight: 700; cursor: pointer; }
  .wb-dark .wb-ask-go { color: #10151f; } .wb-ask button.wb-second { background: transparent; color: var(--wb-fg); border-color: var(--wb-line); font-weight: 500; padding: 7px 14px; }
  .wb-ask button:disabled { opacity: .45; cursor: default; }
  .wb-ask .wb-row { display: flex; flex-wrap: wrap; gap: 10px; align-items: center; border-top: 1px solid var(--wb-line); padding-top: 10px; }
  .wb-ask fieldset { border: 1px solid var(--wb-line); border-radius: 8px; padding: 8px 12px 12px; margin: 0; min-width: 0; } .wb-ask fieldset[hidden] { display: none; }
  .wb-ask fieldset > div { display: grid; grid-template-columns: repeat(auto-fill, minmax(210px, 1fr)); gap: 10px 14px; align-items: start; } .wb-ask fieldset button { margin-top: 20px; }
  .wb-ask legend { font-size: 13px; font-weight: 600; padding: 0 6px; }
  .wb-ask :focus-visible { outline: 3px solid var(--wb-info); outline-offset: 1px; }
`;

export function render({ model }) {
  const host = node("section", "wb-ask"), form = node("form"), choice = node("select"), pick = node("label", "wb-all", "Report"), row = node("div", "wb-row wb-all");
  const go = node("button", "wb-ask-go", "Run now"), more = node("button", "wb-second", "By the clock …"), clock = node("fieldset", "wb-all"), when = node("div");
  const preset = node("select"), due = node("input"), name = node("input"), keep = node("input"), add = node("button", "wb-second", "Add schedule");
  host.setAttribute("aria-label", "Run a report");
  [go, more, add].forEach((button) => { button.type = "button"; });
  clock.hidden = true;
  more.setAttribute("aria-expanded", "false");
  const labelled = (text, input, help) => { const label = node("label", "", text); label.append(input, node("small", "", help)); return label; };
  pick.append(choice);
  clock.append(node("legend", "", "By the clock of the exchange, or by cron"), when);
  name.maxLength = 64;
  keep.inputMode = "numeric";
  keep.value = "30";
  when.append(labelled("When", preset, "the calendar knows holidays and early closes"), labelled("As written", due, "or cron, such as 30 17 * * mon-fri (Chicago)"),
    labelled("Name", name, "letters, digits, - and _"), labelled("Keep", keep, "reports; older ones are removed"), add);
  row.append(go, more);
  host.append(styled(REPORT_FORM_CSS), node("h2", "", "Run a report"), form);
  let templates = [], fields = [];

  const chosen = () => templates.find((one) => one.name === choice.value);
  const values = () => Object.fromEntries(fields.filter((field) => field.value !== field.defaultValue).map((field) => [field.name, field.value]));
  const send = (message) => model.send_msg(message);

  function draw() {
    const one = chosen();
    if (!one) return;
    fields = [];
    const parts = one.parameters.map((parameter) => {
      const input = node("input");
      Object.assign(input, { name: parameter.name, value: parameter.value, defaultValue: parameter.value });
      if (parameter.number) input.inputMode = "numeric";
      fields.push(input);
      return labelled(parameter.name.replaceAll("_", " "), input, parameter.help);
    });
    form.replaceChildren(pick, ...parts, row, clock);
    name.value = `${one.name}-${preset.selectedOptions[0] ? preset.selectedOptions[0].dataset.slug : "daily"}`;
  }
  choice.addEventListener("change", draw);
  preset.addEventListener("change", () => { due.value = preset.value; draw(); });
  more.addEventListener("click", () => { clock.hidden = !clock.hidden; more.setAttribute("aria-expanded", String(!clock.hidden)); if (!clock.hidden) preset.focus(); });
  form.addEventListener("submit", (event) => { event.preventDefault(); go.click(); });
  go.addEventListener("click", () => send({ act: "run", template: choice.value, values: values() }));
  add.addEventListener("click", () => send({ act: "schedule", template: choice.value, values: values(), due: due.value, name: name.value, keep: keep.value }));

  model.on("msg:custom", (event) => {
    const message = payload(event);
    if (message.templates) {
      templates = message.templates;
      choice.replaceChildren(...templates.map((one) => { const option = node("option", "", `${one.name}: ${one.title}`); option.value = one.name; return option; }));
      preset.replaceChildren(...message.presets.map((one) => { const option = node("option", "", one.title); option.value = one.due; option.dataset.slug = one.slug; return option; }));
      due.value = preset.value;
      choice.value = message.first;
      draw();
    }
    if (message.busy !== undefined) go.disabled = message.busy;
  });
  const end = followTheme(host, (_, theme) => host.classList.toggle("wb-dark", theme === "dark"));
  model.on("remove", end);
  send({ act: "hello" });
  return host;
}
