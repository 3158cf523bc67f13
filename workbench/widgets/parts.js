// What the parts of the control panel share: words for numbers, small elements, and the way to the desk without a kernel.
const FLATTEN_LIMIT_MS = 20000;
const STATES = { running: "● running", paused: "‖ paused", warming: "◔ warming", waiting: "◔ waiting", ended: "○ ended" };
const policies = (s) => `begins: ${s.start_policy || "?"}, stream lost: ${s.disconnect_policy || "?"}` + (["pause", "flatten"].includes(s.disconnect_policy) && s.disconnect_after_s != null ? ` after ${s.disconnect_after_s} s` : "");
const DATA = { live: "● live", stale: "▲ STALE", closed: "○ market closed" };

const plain = (value, digits = 2) => Math.abs(value).toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
const money = (value) => (value == null ? "–" : (value < 0 ? "−" : value > 0 ? "+" : "") + plain(value) + " USD");
const tone = (value) => (value == null || value === 0 ? "" : value > 0 ? "wb-up" : "wb-down");
const signed = (qty) => (qty == null ? "–" : qty === 0 ? "flat" : (qty > 0 ? "+" : "−") + Math.abs(qty));
const short = (contract) => String(contract ?? "–").split(".").slice(-2).join(" ");
const CHICAGO = new Intl.DateTimeFormat("en-GB", { timeZone: "America/Chicago", hour: "2-digit", minute: "2-digit", second: "2-digit" });
const clock = (at) => (at ? CHICAGO.format(new Date(at / 1e6)) : "–");

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

// One light per contract: that of its worst timeframe.
function worst(rows) {
  const rank = { live: 0, closed: 1, stale: 2 }, found = new Map();
  for (const row of rows) {
    const known = found.get(row.contract);
    if (!known || (rank[row.state] ?? 3) > (rank[known.state] ?? 3)) found.set(row.contract, row);
  }
  return [...found.values()];
}

// Cancel a session's orders, close its position, and pause it: from here to the desk, whatever the kernel does.
// `ways`: access() → {url, token}; say(text); renew(); byKernel() when this page cannot reach the desk.
async function flattenSession(session, ways) {
  const access = ways.access();
  if (!access) return unreached("this page has no access to the desk yet");
  ways.say(`flatten ${session}: asked…`);
  function unreached(why) {
    ways.say(`▲ flatten ${session}: ${why}; asked through the kernel instead, which waits until its cell is done. EMERGENCY STOP, or workbench stop in a terminal, does not.`);
    ways.byKernel();
  }
  let answer;
  try {
    answer = await fetch(`${access.url}/api/sessions/${encodeURIComponent(session)}/flatten`, {
      method: "POST",
      headers: { authorization: `Bearer ${access.token}`, "content-type": "application/json" },
      body: JSON.stringify({ person: "notebook" }),
      keepalive: true,
      signal: AbortSignal.timeout(FLATTEN_LIMIT_MS),
    });
  } catch (error) {
    if (error.name === "TimeoutError") return ways.say(`✖ flatten ${session}: no answer for ${FLATTEN_LIMIT_MS / 1000} s; look at the position, or press EMERGENCY STOP`);
    return unreached("the desk does not answer this page");
  }
  const body = await answer.json().catch(() => ({}));
  if (answer.ok) return ways.say(`✔ flatten ${session}: ${STATES[body.state] || body.state}, ${signed(body.position)}`);
  if (answer.status === 401) ways.renew();
  ways.say(`✖ flatten ${session} was refused (${answer.status}): ${body.error || "no reason given"}`);
}
