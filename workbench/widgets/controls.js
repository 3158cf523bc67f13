// The control panel of a notebook. The kernel pushes snapshots; stop and flatten go from here to the desk without it.
const SHOWN_ENDED = 5;  // an account keeps all of its sessions: the newest few are enough here
const VERBS = { running: ["pause", "flatten"], warming: ["pause", "flatten"], waiting: ["pause", "flatten"], paused: ["resume", "flatten"], ended: [] };

// One session: drawn once and then changed in place, so that what has the keyboard's focus keeps it.
function createCard(name, act) {
  const box = element("article", "wb-card"), top = element("div", "wb-top"), facts = element("div", "wb-facts"), row = element("div", "wb-row");
  const signal = element("p", "wb-muted"), age = element("div", "wb-fact wb-age");
  box.setAttribute("aria-label", `Session ${name}`);
  box.append(top, facts, signal, row);
  let session = null, state = null, snapshot = null;

  function button(verb) {
    const words = { flatten: () => `Really close ${signed(session.position)} and pause?`, resume: "Really trade again?" }[verb] || null;
    return confirmButton(verb[0].toUpperCase() + verb.slice(1), words, () => act(session, verb));
  }

  function headroom(account) {
    return (account.headroom || []).map((limit) => {
      const cell = element("div", "wb-fact"), bar = element("meter");
      const known = limit.used_usd != null && limit.limit_usd;
      Object.assign(bar, { min: 0, max: 1, low: 0.5, high: 0.8, optimum: 0, value: known ? Math.min(1, limit.used_usd / limit.limit_usd) : 0 });
      const words = known ? `${plain(limit.used_usd, 0)} of ${plain(limit.limit_usd, 0)} USD` : "not known";
      bar.setAttribute("aria-label", `${limit.limit.replaceAll("_", " ")}: ${words}`);
      bar.hidden = !known;  // an empty bar would say that nothing is used
      cell.append(element("span", "wb-label", limit.limit.replaceAll("_", " ")), bar, element("span", "wb-muted", words));
      return cell;
    });
  }

  function show(given, whole) {
    [session, snapshot] = [given, whole];
    const account = (snapshot.accounts || []).find((a) => a.account === session.account) || {};
    const runner = account.runner || {}, alive = runner.state === undefined || runner.state === "running" || session.state === "ended";
    top.replaceChildren(
      element("strong", "", session.session),
      element("span", `wb-chip wb-${session.state}`, STATES[session.state] || session.state),
      element("span", "wb-muted", `${session.strategy}@${session.version.split("@").pop().slice(0, 8)} · ${short(session.contract)} ${session.timeframe} · account ${session.account} · ${policies(session)}`),
      ...(alive ? [] : [element("span", "wb-alarm", `✖ runner ${runner.state}: numbers are the last known`)]),
    );
    const ended = session.state === "ended";
    facts.replaceChildren(
      fact("Position", signed(session.position)),
      fact("P&L", money(session.pnl_usd), tone(session.pnl_usd)),
      fact("Trades", session.trades == null ? "–" : String(session.trades)),
      ...(ended ? [] : [...headroom(account), age]),
    );
    const why = [session.state !== "running" && session.reason, session.waits_for].filter(Boolean).join("; ");
    signal.textContent = why || (!ended && session.last_signal) || "";
    signal.hidden = !signal.textContent;
    if (state !== session.state) row.replaceChildren(...(VERBS[session.state] || []).map(button));
    state = session.state;
  }

  function tick(silent) {
    const data = (snapshot && snapshot.data) || [];
    const mine = data.find((d) => d.contract === session.contract && d.timeframe === session.timeframe) || data.find((d) => d.contract === session.contract);
    const seconds = !mine || mine.age_s == null ? null : mine.age_s + silent, kind = mine ? mine.state : null;
    const words = kind === "closed" ? "closed" : ageText(seconds) + (kind === "stale" ? " STALE" : "");
    age.replaceChildren(element("span", "wb-label", "Data age"), element("span", `wb-value ${kind === "stale" || silent > 3 ? "wb-down" : ""}`, words));
  }
  return { box, show, tick };
}

// Where this page is shown, and what to do when it cannot reach the desk from there.
function unreachable(access) {
  const at = access.url, origin = location.origin;
  if (location.protocol.startsWith("vscode")) return `▲ VS Code shows this page from another origin, so its buttons cannot reach the desk at ${at} themselves: stop and flatten go through the kernel, which waits while a cell runs`;
  const local = /^http:\/\/(127\.0\.0\.1|localhost):\d+$/.test(origin) ? `, or run desk.allow_origin("${origin}")` : "";
  return `▲ This page cannot reach the desk at ${at}: stop and flatten go through the kernel, which waits while a cell runs${local}`;
}

function render({ model, el }) {
  const send = (body) => model.send(body);
  const root = element("section", "wb-controls");
  root.setAttribute("aria-label", "Desk controls");
  root.dataset.lmSuppressShortcuts = "true";  // JupyterLab's own keys (Enter, D D) do not act on a button here
  const bar = element("div", "wb-bar"), head = element("header"), news = element("p", "wb-news"), answers = element("p", "wb-answer");
  const way = element("a", "wb-link", "Open the dashboard's stop in a browser");
  Object.assign(way, { target: "_blank", rel: "noopener noreferrer", hidden: true });
  const sessions = element("div", "wb-sessions"), none = element("p", "wb-muted");
  const over = element("details", "wb-over"), overTitle = element("summary", "wb-summary"), overCards = element("div");
  over.append(overTitle, overCards);
  answers.setAttribute("role", "status");
  const title = element("div", "wb-title", "Desk"), lights = element("div", "wb-lights"), left = element("div", "wb-left");
  const stop = createStop({
    reason: () => "stop button in the notebook",
    person: "notebook",
    onDead: (reason) => send({ op: "stop_by_file", reason }),
    renew: () => send({ op: "hello" }),
  });
  const blotter = createBlotter(), start = createStartForm(send), cards = new Map();
  left.append(title, lights);
  head.append(left, stop.button);
  bar.append(head, stop.verdict, news, way, answers);
  root.append(bar, sessions, start.root, blotter.root);
  el.append(root);

  let snapshot = null, heardAt = 0, deskSeen = null, gone = false, told = null, page = null;
  const say = (text) => { answers.textContent = text; };

  function act(session, verb) {
    const byKernel = () => send({ op: "command", session: session.session, verb });
    if (verb === "flatten") return flattenSession(session.session, { access: stop.access, say, renew: () => send({ op: "hello" }), byKernel });
    say(`${verb} ${session.session}: asked, waiting for the kernel…`);
    byKernel();
  }

  function drawLights() {
    const gateway = snapshot.gateway || {}, latch = snapshot.stop || {};
    const rows = [
      [gateway.profile === "sim" ? "simulator" : String(gateway.profile), ""],
      gateway.connected ? ["● gateway", "wb-ok"] : ["✖ gateway lost", "wb-alarm"],
      ...(latch.latched ? [[`■ STOPPED: ${latch.reason || "no reason"}`, "wb-alarm"]] : []),
      ...worst(snapshot.data || []).map((d) => [`${DATA[d.state] || d.state} · ${short(d.contract)}`, d.state === "stale" ? "wb-alarm" : d.state === "live" ? "wb-ok" : ""]),
    ];
    lights.replaceChildren(...rows.map(([text, name]) => element("span", `wb-light ${name}`, text)));
  }

  function drawSessions() {
    const all = snapshot.sessions || [], living = all.filter((s) => s.state !== "ended");
    const ended = all.filter((s) => s.state === "ended").sort((a, b) => (b.last_bar_end || b.started_at || 0) - (a.last_bar_end || a.started_at || 0));
    const rows = [...living, ...ended.slice(0, SHOWN_ENDED)];
    for (const session of rows) {
      if (!cards.has(session.session)) cards.set(session.session, createCard(session.session, act));
      cards.get(session.session).show(session, snapshot);
    }
    const names = rows.map((s) => s.session), box = (s) => cards.get(s.session).box;
    [...cards.keys()].filter((name) => !names.includes(name)).forEach((name) => cards.delete(name));
    none.textContent = `No session ${all.length ? "is alive" : "yet"}. Start one below, or in a cell: desk.start(strategy)`;
    put(sessions, living.length ? living.map(box) : [none]);
    put(overCards, ended.slice(0, SHOWN_ENDED).map(box));
    if (!ended.length) over.remove();
    else if (!over.isConnected) sessions.after(over);
    overTitle.textContent = `Ended sessions: ${ended.length}` + (ended.length > SHOWN_ENDED ? `, the newest ${SHOWN_ENDED} here` : "");
  }

  // What stands there already is left alone: it may have the keyboard's focus.
  function put(place, wanted) {
    if (wanted.length !== place.children.length || wanted.some((box, i) => box !== place.children[i])) place.replaceChildren(...wanted);
  }

  function draw() {
    drawLights();
    drawSessions();
    const latch = snapshot.stop || {}, last = latch.last_result;
    const mark = !latch.latched ? null : last ? JSON.stringify([last.result, last.remaining]) : told || "latched";
    if (stop.busy()) return;  // our own press shows its own answer
    if (last && mark && mark !== told) {  // also over an older verdict: FLAT a minute ago is not FLAT
      const words = describeStop(last);
      stop.show(words.tone, words.title, words.lines);
    }
    if (!mark && told) stop.verdict.hidden = true;
    told = mark;
  }

  function tick() {
    const silent = heardAt ? (performance.now() - heardAt) / 1000 : 0, lines = [];
    if (gone) lines.push(`✖ DESK DEAD: ${gone}`);
    else if (heardAt && silent > 3) lines.push(`▲ no news for ${ageText(silent)}: ${deskSeen ? "the kernel is busy or gone" : "desk and kernel are silent"}; numbers are old`);
    else if (!heardAt) lines.push("Asking the kernel for a snapshot…");
    const apart = deskSeen === false && stop.access() && !gone;
    if (apart) lines.push(unreachable(stop.access()) + (page ? "" : "; surer: workbench stop in a terminal, or workbench dashboard and its stop"));
    if (news.textContent !== lines.join(" · ")) news.textContent = lines.join(" · ");
    news.hidden = lines.length === 0;
    way.hidden = !(apart && page);
    root.classList.toggle("wb-old", Boolean(gone) || silent > 3);
    cards.forEach((card) => card.tick(silent));
  }

  function heard(message) {
    if (message.op === "access") {
      stop.grant({ url: message.url, token: message.token });
      page = /^http:\/\/(127\.0\.0\.1|localhost):\d+\//.test(message.page || "") ? message.page : null;
      if (page) way.href = page;
      probe();
    }
    if (message.op === "snapshot") { snapshot = message.snapshot; heardAt = performance.now(); gone = false; draw(); }
    if (message.op === "dead") { heardAt = performance.now(); gone = message.text; }
    if (message.op === "answer") say(message.text);
    if (message.op === "blotter") blotter.show(message);
    start.heard(message);
    tick();
  }

  async function probe() {
    if (stop.access()) deskSeen = await deskLives(stop.access().url, 1500);
    tick();
  }

  model.on("msg:custom", heard);
  const clocks = [setInterval(tick, 500), setInterval(probe, 2000), setInterval(() => send({ op: "here" }), 20000)];
  send({ op: "hello" });
  tick();
  return () => {
    clocks.forEach(clearInterval);
    model.off("msg:custom", heard);
    send({ op: "bye" });
  };
}

export default { render };
