// The emergency stop: a button that posts straight to the desk, whatever the kernel, the page's server or a plot does.
// Put before the code of the widget and of the dashboard; it imports nothing and stores nothing.
const STOP_PATIENCE_MS = 3000;  // after this a pending stop asks whether the desk lives at all
const STOP_LIMIT_MS = 60000;
const RENEW_LIMIT_MS = 4000;  // so long a stop that was refused for its old token waits for a new one

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;  // never innerHTML: names come from files and gateways
  return made;
}

async function deskLives(url, limitMs) {
  try {
    const answer = await fetch(url + "/api/health", { signal: AbortSignal.timeout(limitMs), cache: "no-store" });
    return answer.ok;
  } catch {
    return false;
  }
}

// The command that releases this latch: of one account when only that was stopped.
function clearing(body) {
  const one = body.account == null ? "" : ` --account ${body.account}`;
  return `workbench stop --clear${one} --reason "…"`;
}

function describeStop(body) {
  const took = body.ms == null ? "" : ` in ${Math.round(body.ms).toLocaleString("en-US")} ms`;
  const held = body.latched ? "Latched. To clear: " + clearing(body) : "NOT latched.";
  if (body.result === "FLAT") return { tone: "good", title: `✔ FLAT, verified at the broker${took}`, lines: [held] };
  return { tone: "bad", title: `✖ NOT FLAT${took}: this remains`, lines: [...(body.remaining || []), held] };
}

// options: reason() → text, person, onDead(reason): called when no desk answered, for another way to stop.
function createStop({ reason, person, onDead, renew }) {
  const button = element("button", "wb-stop", "EMERGENCY STOP");
  button.type = "button";
  button.title = "Latch, cancel all orders, close all positions, verify. Works while the kernel is busy.";
  const verdict = element("div", "wb-verdict");
  verdict.setAttribute("role", "alert");
  verdict.hidden = true;
  let access = null, attempt = 0, clock = null, waiting = 0, renewed = null;

  function show(tone, title, lines = []) {
    clearInterval(clock);
    verdict.hidden = false;
    verdict.className = `wb-verdict wb-${tone}`;
    const list = element("ul");
    lines.forEach((line) => list.append(element("li", "", line)));
    verdict.replaceChildren(element("strong", "", title), ...(lines.length ? [list] : []));
  }

  function pending(began) {
    const tell = () => show("wait", `Stopping… ${((performance.now() - began) / 1000).toFixed(1)} s, waiting for the verdict`);
    tell();
    clock = setInterval(() => {
      const keep = clock;
      tell();
      clock = keep;
    }, 200);
  }

  function dead(why, wish) {
    waiting = 0;
    show("bad", "✖ DESK DEAD: the stop is NOT confirmed", [
      why,
      "In a terminal: workbench stop   (works without a desk)",
      "Or use the firm's own platform now.",
    ]);
    if (onDead) onDead(wish);
  }

  async function answered(response) {
    if (response.ok) {
      const told = describeStop(await response.json());
      waiting = 0;
      show(told.tone, told.title, told.lines);
      return;
    }
    waiting = 0;
    const body = await response.json().catch(() => ({}));
    show("bad", `✖ THE DESK REFUSED THE STOP (${response.status})`, [body.error || "no reason given", "In a terminal: workbench stop"]);
  }

  const post = (wish) => fetch(access.url + "/api/stop", {
    method: "POST",
    headers: { authorization: `Bearer ${access.token}`, "content-type": "application/json" },
    body: JSON.stringify({ reason: wish, person }),
    keepalive: true,
    signal: AbortSignal.timeout(STOP_LIMIT_MS),
  });

  // After a long sleep, or a restart of the desk, the token is an old one: the stop is sent again with a new one.
  const renewal = () => new Promise((done) => {
    renewed = done;
    setTimeout(() => done(false), RENEW_LIMIT_MS);
    renew();
  });

  function grant(given) {
    access = given;
    if (renewed) renewed(true);
    renewed = null;
  }

  async function press() {
    const mine = ++attempt, began = performance.now(), wish = reason() || "emergency stop";
    if (!access) return dead("this page has no access to the desk yet", wish);
    clearInterval(clock);
    waiting = mine;
    pending(began);
    const watch = setTimeout(async () => {
      if (mine === attempt && !(await deskLives(access.url, 1500)) && mine === attempt) {
        attempt += 1;
        dead("the desk does not answer", wish);
      }
    }, STOP_PATIENCE_MS);
    try {
      let response = await post(wish);
      if (response.status === 401 && renew && (await renewal())) response = await post(wish);
      if (mine === attempt || response.ok) await answered(response);
    } catch (error) {
      if (mine === attempt) dead(`the desk does not answer (${error.name})`, wish);
    } finally {
      clearTimeout(watch);
      if (waiting === mine) waiting = 0;
      if (mine === attempt) attempt += 1;
    }
  }

  button.addEventListener("click", press);
  return { button, verdict, show, grant, access: () => access, press, busy: () => waiting !== 0 };
}

// A button that asks once more before it acts; the question goes away by itself. `question` is a text, or makes one;
// without one it acts at once.
function confirmButton(text, question, act) {
  const button = element("button", "wb-button", text);
  button.type = "button";
  let timer = null;
  const calm = () => { timer = null; button.textContent = text; button.classList.remove("wb-asking"); };
  button.addEventListener("click", (event) => {
    if (timer !== null && event.detail > 1) return;  // the second half of a double click has read no question
    const words = typeof question === "function" ? question() : question;
    if (timer === null && words) {
      button.textContent = words;
      button.classList.add("wb-asking");
      timer = setTimeout(calm, 4000);
      return;
    }
    clearTimeout(timer);
    calm();
    act();
  });
  return button;
}
