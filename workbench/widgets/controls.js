// The control panel of a notebook. The kernel pushes snapshots; the stop goes from here to the desk without the kernel.
const money = (value) =>
  value == null ? "–" : (value < 0 ? "−" : value > 0 ? "+" : "") + Math.abs(value).toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 }) + " USD";
const tone = (value) => (value == null || value === 0 ? "" : value > 0 ? "wb-up" : "wb-down");
const signed = (qty) => (qty == null ? "–" : qty === 0 ? "flat" : (qty > 0 ? "+" : "−") + Math.abs(qty));
const STATES = { running: "● running", paused: "‖ paused", warming: "◔ warming", ended: "○ ended" };
const DATA = { live: "● live", stale: "▲ STALE", closed: "○ market closed" };
const VERBS = { running: ["pause", "flatten"], warming: ["pause", "flatten"], paused: ["resume", "flatten"], ended: [] };

// One light per contract: that of its worst timeframe.
function worst(rows) {
  const rank = { live: 0, closed: 1, stale: 2 }, found = new Map();
  for (const row of rows) {
    const known = found.get(row.contract);
    if (!known || (rank[row.state] ?? 3) > (rank[known.state] ?? 3)) found.set(row.contract, row);
  }
  return [...found.values()];
}

function ageText(seconds) {
  if (seconds == null) return "–";
  return seconds < 90 ? `${seconds.toFixed(seconds < 10 ? 1 : 0)} s` : `${Math.round(seconds / 60)} min`;
}

function fact(label, value, className) {
  const cell = element("div", "wb-fact");
  const [number, unit] = value.endsWith(" USD") ? [value.slice(0, -4), " USD"] : [value, ""];
  const shown = element("span", `wb-value ${className || ""}`, number);
  if (unit) shown.append(element("small", "", unit));
  cell.append(element("span", "wb-label", label), shown);
  return cell;
}

function render({ model, el }) {
  const send = (body) => model.send(body);
  const root = element("section", "wb-controls");
  root.setAttribute("aria-label", "Desk controls");
  const head = element("header"), news = element("p", "wb-news"), sessions = element("div", "wb-sessions"), answers = element("p", "wb-answer");
  answers.setAttribute("role", "status");
  const title = element("div", "wb-title", "Desk"), lights = element("div", "wb-lights");
  const stop = createStop({
    reason: () => "stop button in the notebook",
    person: "notebook",
    onDead: (reason) => send({ op: "stop_by_file", reason }),
    renew: () => send({ op: "hello" }),
  });
  const left = element("div", "wb-left");
  left.append(title, lights);
  head.append(left, stop.button);
  root.append(head, stop.verdict, news, sessions, answers);
  el.append(root);

  let snapshot = null, heardAt = 0, deskSeen = null, lastAsk = performance.now(), gone = false, drawn = "", told = null;

  function drawLights() {
    const gateway = snapshot.gateway || {}, latch = snapshot.stop || {};
    const rows = [
      [gateway.profile === "sim" ? "simulator" : String(gateway.profile), ""],
      gateway.connected ? ["● gateway", "wb-ok"] : ["✖ gateway lost", "wb-alarm"],
      ...(latch.latched ? [[`■ STOPPED: ${latch.reason || "no reason"}`, "wb-alarm"]] : []),
      ...worst(snapshot.data || []).map((d) => [`${DATA[d.state] || d.state} · ${d.contract.split(".").slice(-2).join(" ")}`, d.state === "stale" ? "wb-alarm" : d.state === "live" ? "wb-ok" : ""]),
    ];
    lights.replaceChildren(...rows.map(([text, name]) => element("span", `wb-light ${name}`, text)));
  }

  function ask(session, verb) {
    const words = verb === "flatten" ? `Really close ${signed(session.position)}?` : verb === "resume" ? "Really trade again?" : verb === "start" ? "Really start?" : null;
    return confirmButton(verb[0].toUpperCase() + verb.slice(1), words, () => {
      lastAsk = performance.now();
      answers.textContent = `${verb} ${session.session}: asked, waiting for the kernel…`;
      send({ op: "command", session: session.session, verb });
    });
  }

  function card(session) {
    const box = element("article", "wb-card"), top = element("div", "wb-top"), facts = element("div", "wb-facts"), row = element("div", "wb-row");
    top.append(element("strong", "", session.session), element("span", `wb-chip wb-${session.state}`, STATES[session.state] || session.state));
    top.append(element("span", "wb-muted", `${session.strategy}@${session.version.split("@").pop().slice(0, 8)} · ${session.contract.split(".").slice(-2).join(" ")} ${session.timeframe} · account ${session.account}`));
    const runner = ((snapshot.accounts || []).find((a) => a.account === session.account) || {}).runner || {};
    const alive = runner.state === undefined || runner.state === "running";
    if (!alive) top.append(element("span", "wb-alarm", `✖ runner ${runner.state}: numbers are the last known`));
    facts.append(
      fact("Position", signed(session.position)),
      fact("P&L", money(session.pnl_usd), tone(session.pnl_usd)),
      fact("Trades", session.trades == null ? "–" : String(session.trades)),
    );
    facts.append(...headroom(session.account), element("div"));
    facts.lastChild.className = "wb-fact wb-age";
    row.append(...(VERBS[session.state] || []).map((verb) => ask(session, verb)));
    box.append(top, facts, ...(session.last_signal ? [element("p", "wb-muted", session.last_signal)] : []), row);
    return box;
  }

  function headroom(account) {
    const rows = ((snapshot.accounts || []).find((a) => a.account === account) || {}).headroom || [];
    return rows.map((limit) => {
      const cell = element("div", "wb-fact"), bar = element("meter");
      const known = limit.used_usd != null && limit.limit_usd;
      Object.assign(bar, { min: 0, max: 1, low: 0.5, high: 0.8, optimum: 0, value: known ? Math.min(1, limit.used_usd / limit.limit_usd) : 0 });
      const words = known ? `${Math.round(limit.used_usd)} of ${Math.round(limit.limit_usd)} USD` : "–";
      bar.setAttribute("aria-label", words);
      cell.append(element("span", "wb-label", limit.limit.replaceAll("_", " ")), bar, element("span", "wb-muted", words));
      return cell;
    });
  }

  function draw() {
    drawLights();
    // A card is rebuilt only when its content changed, so that a button being confirmed is not pulled away.
    const wanted = JSON.stringify([snapshot.sessions, (snapshot.accounts || []).map((a) => [a.headroom, (a.runner || {}).state])]);
    if (wanted !== drawn && !sessions.querySelector(".wb-asking")) {
      drawn = wanted;
      const shown = (snapshot.sessions || []).slice();
      sessions.replaceChildren(...(shown.length ? shown.map(card) : [element("p", "wb-muted", "No session. Start one: desk.start(strategy)")]));
    }
    const last = (snapshot.stop || {}).last_result, mark = last ? JSON.stringify(last) : null;
    if (snapshot.stop && snapshot.stop.latched && last && mark !== told && stop.verdict.hidden) {
      const words = describeStop(last);
      stop.show(words.tone, words.title, words.lines);
    }
    if (snapshot.stop && !snapshot.stop.latched && told) stop.verdict.hidden = true;
    told = snapshot.stop && snapshot.stop.latched ? mark : null;
  }

  function tick() {
    const silent = (performance.now() - heardAt) / 1000;
    const lines = [];
    if (gone) lines.push(`✖ DESK DEAD: ${gone}`);
    else if (heardAt && silent > 3) lines.push(`▲ no news for ${ageText(silent)}: ${deskSeen ? "the kernel is busy or gone" : "desk and kernel are silent"}; numbers are old`);
    if (deskSeen === false && stop.access() && !gone) {
      const local = /^http:\/\/(127\.0\.0\.1|localhost):\d+$/.test(location.origin);
      const cure = local ? `run desk.allow_origin("${location.origin}")` : "use the stop of the dashboard";
      lines.push(`▲ This page cannot reach the desk at ${stop.access().url}: ${cure}, or workbench stop in a terminal`);
    }
    news.textContent = lines.join(" · ");
    news.hidden = lines.length === 0;
    root.classList.toggle("wb-old", Boolean(gone) || (heardAt > 0 && silent > 3));
    const data = snapshot && (snapshot.data || []);
    sessions.querySelectorAll(".wb-age").forEach((cell, i) => {
      const session = (snapshot.sessions || [])[i];
      const mine = session && (data.find((d) => d.contract === session.contract && d.timeframe === session.timeframe) || data.find((d) => d.contract === session.contract));
      const age = !mine || mine.age_s == null ? null : mine.age_s + silent;
      const state = mine ? mine.state : null;
      cell.replaceChildren(element("span", "wb-label", "Data age"), element("span", `wb-value ${state === "stale" || silent > 3 ? "wb-down" : ""}`, state === "closed" ? "closed" : ageText(age) + (state === "stale" ? " STALE" : "")));
    });
  }

  function heard(message) {
    if (message.op === "access") stop.grant({ url: message.url, token: message.token });
    if (message.op === "snapshot") { snapshot = message.snapshot; heardAt = performance.now(); gone = false; draw(); }
    if (message.op === "dead") { heardAt = performance.now(); gone = message.text; }
    if (message.op === "answer") answers.textContent = message.text;
    tick();
  }

  async function probe() {
    if (stop.access()) deskSeen = await deskLives(stop.access().url, 1500);
    tick();
  }

  model.on("msg:custom", heard);
  const clocks = [setInterval(tick, 500), setInterval(probe, 2000), setInterval(() => send({ op: "here" }), 20000)];
  news.textContent = "Asking the kernel for a snapshot…";
  send({ op: "hello" });
  probe();
  return () => {
    clocks.forEach(clearInterval);
    model.off("msg:custom", heard);
    send({ op: "bye" });
  };
}

export default { render };
