// Start a session: strategy, account and contract from what exists, and a form made from what the strategy declares.
const CHOOSE = "choose…";
const BEGINS = [["adopt", "adopt it"], ["wait_flat", "wait until it is gone"], ["flatten", "close it first"]];
const LOST = [["keep", "go on once it is back"], ["pause", "pause"], ["flatten", "close, then pause"]];

function labelled(text, control, hint) {
  const box = element("label", "wb-field");
  box.append(element("span", "wb-label", text), control);
  if (hint) box.append(element("span", "wb-muted", hint));
  return box;
}

function options(select, rows, first) {
  const kept = select.value;
  const made = rows.map(([value, text]) => Object.assign(element("option", "", text), { value }));
  if (first) made.unshift(Object.assign(element("option", "", first), { value: "" }));
  select.replaceChildren(...made);
  if (rows.some(([value]) => value === kept)) select.value = kept;
}

function rangeText(p) {
  if (p.type === "bool") return "yes or no";
  const kind = p.type === "int" ? "whole" : "number";
  const range = p.min != null && p.max != null ? ` ${p.min} to ${p.max}` : p.min != null ? ` from ${p.min}` : p.max != null ? ` up to ${p.max}` : "";
  return kind + range + (p.step != null ? `, step ${p.step}` : "");
}

function parameterField(p) {
  const input = element("input", "wb-input");
  input.name = p.name;
  const wrong = element("span", "wb-wrong");
  if (p.type === "bool") {
    input.type = "checkbox";
    input.checked = Boolean(p.value);
  } else {
    Object.assign(input, { type: "number", value: p.value, step: p.step ?? "any" });
    if (p.min != null) input.min = p.min;
    if (p.max != null) input.max = p.max;
  }
  const fault = () => {
    if (p.type === "bool") return "";
    const value = Number(input.value);
    if (input.value.trim() === "" || !Number.isFinite(value)) return `${p.name} is not a number`;
    if (p.type === "int" && !Number.isInteger(value)) return `${p.name} must be a whole number`;
    if (p.min != null && value < p.min) return `${p.name} must be at least ${p.min}`;
    if (p.max != null && value > p.max) return `${p.name} must be at most ${p.max}`;
    return "";
  };
  input.addEventListener("input", () => {
    wrong.textContent = fault() ? `✖ ${fault()}` : "";
    input.setAttribute("aria-invalid", String(Boolean(fault())));
  });
  const box = labelled(p.name, input, rangeText(p));
  if (p.about) box.title = p.about;
  box.append(wrong);
  return { box, fault, value: () => (p.type === "bool" ? input.checked : Number(input.value)), name: p.name };
}

function createStartForm(send) {
  const root = element("details", "wb-start"), form = element("div", "wb-form"), fields = element("div", "wb-fields"), about = element("p", "wb-muted");
  root.append(element("summary", "wb-summary", "Start a session"), form);
  const strategy = element("select", "wb-input"), account = element("select", "wb-input"), contract = element("select", "wb-input");
  const said = element("p", "wb-said");
  said.setAttribute("role", "status");
  let declared = null, parameters = [];

  const text = (select) => (select.selectedOptions[0] || {}).textContent || "";
  function fault() {
    if (!declared) return "choose a strategy first";
    if (!account.value) return "choose an account first";
    return [...parameters, after].map((p) => p.fault()).find(Boolean) || "";
  }
  function begin() {
    const wrong = fault();
    if (wrong) return say(`✖ ${wrong}`);
    say(`start ${declared.name}: asked, waiting for the kernel and the desk…`);
    const values = Object.fromEntries(parameters.map((p) => [p.name, p.value()]));
    send({ op: "start", what: declared.what, account: Number(account.value), contract: contract.value || null, values, policies: { start_policy: begins.value, disconnect_policy: lost.value, disconnect_after_s: after.value() } });
  }
  const start = confirmButton("Start", () => (fault() ? null : `Really start ${declared.name} on ${text(account)}?`), begin);
  const say = (words) => { said.textContent = words; said.classList.toggle("wb-alarm", words.startsWith("✖")); };
  const choices = element("div", "wb-fields");
  choices.append(labelled("Strategy", strategy), labelled("Account", account), labelled("Contract", contract));
  const begins = element("select", "wb-input"), lost = element("select", "wb-input");
  options(begins, BEGINS);
  options(lost, LOST);
  const after = parameterField({ name: "seconds without a stream", type: "float", value: 60, min: 1, max: 3600 });
  choices.append(labelled("An open position", begins), labelled("A lost stream", lost, "entries are blocked at once"), after.box);
  const row = element("div", "wb-row");
  row.append(start);
  form.append(choices, about, fields, row, said);

  root.addEventListener("toggle", () => {
    if (!root.open) return;
    say("asking the kernel what there is…");
    send({ op: "offers" });
  });
  strategy.addEventListener("change", () => {
    declared = null;
    fields.replaceChildren();
    about.textContent = "";
    if (!strategy.value) return;
    say("asking the kernel what it declares…");
    send({ op: "declare", what: strategy.value });
  });

  function showOffers(message) {
    const chosen = strategy.value;
    const groups = [["Stored versions", message.stored], ["Shipped with the workbench", message.shipped]].filter(([, rows]) => rows.length).map(([name, rows]) => {
      const group = element("optgroup");
      group.label = name;
      group.append(...rows.map((r) => Object.assign(element("option", "", r.label), { value: r.id })));
      return group;
    });
    strategy.replaceChildren(Object.assign(element("option", "", CHOOSE), { value: "" }), ...groups);
    strategy.value = chosen;
    options(account, message.accounts.map((a) => [String(a.account), a.label]), message.accounts.length === 1 ? null : message.accounts.length ? CHOOSE : "none is linked");
    say(message.accounts.length ? "" : "✖ no account is linked: workbench account link, in a terminal");
  }
  function showDeclared(message) {
    if (message.what !== strategy.value) return;
    declared = message;
    say("");
    about.textContent = [message.about, `decides on ${message.timeframe} bars`].filter(Boolean).join(" · ");
    options(contract, message.contracts.map((c) => [c, short(c)]), `front month of ${message.root}`);
    parameters = message.parameters.map(parameterField);
    fields.replaceChildren(...parameters.map((p) => p.box));
  }
  function heard(message) {
    if (message.op === "offers") showOffers(message);
    if (message.op === "declared") showDeclared(message);
    if (message.op === "form_error") say(`✖ ${message.text}`);
    if (message.op === "started") say(`✔ ${message.session} has started`);
  }
  return { root, heard };
}
