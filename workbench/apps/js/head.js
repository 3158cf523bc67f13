// The header's stop button. It fetches its own stop-only token from this page's server and posts straight to the desk:
// neither the plots' queue nor the page's Python takes part.
const RENEW_MS = 6 * 3600 * 1000, RETRY_MS = 2000;

export function render({ model }) {
  const host = node("div", "wb-head");
  const stop = createStop({
    reason: () => reason.value.trim() || "dashboard stop button",
    person: "dashboard",
    renew: () => grant(),
  });
  const reason = node("input", "wb-reason");
  Object.assign(reason, { value: "dashboard stop button", maxLength: 200 });
  reason.setAttribute("aria-label", "Reason for the stop");
  const why = node("label", "wb-why", "Reason");
  why.append(reason);
  const close = node("button", "wb-close", "×");
  Object.assign(close, { type: "button", title: "Hide this message; the latch stays" });
  const panel = node("div", "wb-panel");
  host.append(styled(`
    .wb-head { display: flex; gap: 10px; align-items: center; justify-content: flex-end; width: 100%; color: #fff; font: 14px system-ui, sans-serif; }
    .wb-why { display: flex; gap: 8px; align-items: center; font-size: 13px; color: #c3cad6; }
    .wb-reason { width: 210px; background: transparent; border: 1px solid #ffffff66; color: #fff; border-radius: 6px; padding: 8px 10px; font: inherit; }
    .wb-stop { flex: none; background: #d32f2f; color: #fff; border: 2px solid #ff8a80; border-radius: 8px; font: 800 15px/1 system-ui, sans-serif; letter-spacing: .05em; padding: 12px 20px; cursor: pointer; white-space: nowrap; }
    .wb-stop:hover { background: #b71c1c; }
    .wb-stop:focus-visible, .wb-close:focus-visible, .wb-reason:focus-visible { outline: 3px solid #fff; outline-offset: 2px; }
    .wb-panel { position: fixed; z-index: 2000; bottom: 12px; right: 12px; width: min(560px, calc(100vw - 24px)); max-height: 60vh; overflow: auto; box-sizing: border-box; background: var(--wb-card); color: var(--wb-fg); border-radius: 10px; box-shadow: 0 10px 40px #000a; padding: 4px; display: flex; }
    .wb-panel:has(.wb-verdict[hidden]) { display: none; }
    .wb-verdict { flex: 1; padding: 10px 14px; border-left: 6px solid; border-radius: 6px; font-size: 15px; line-height: 1.45; overflow-wrap: anywhere; }
    .wb-verdict ul { margin: 4px 0 0; padding-left: 20px; color: var(--wb-fg); }
    .wb-good { border-color: var(--wb-up); color: var(--wb-up); } .wb-bad { border-color: var(--wb-down); color: var(--wb-down); } .wb-wait { border-color: var(--wb-warn); color: var(--wb-warn); }
    .wb-close { align-self: flex-start; background: none; border: 0; color: inherit; font-size: 20px; padding: 4px 10px; cursor: pointer; }
    /* In the header's free room: a verdict must not cover what is still open. */
    @media (min-width: 1100px) { .wb-panel { top: 5px; bottom: auto; left: 185px; right: auto; width: min(600px, calc(100vw - 745px)); padding: 2px; } .wb-verdict { padding: 3px 12px; font-size: 14px; line-height: 1.35; } .wb-verdict ul { margin: 2px 0 0; } }
    @media (max-width: 900px) { .wb-why { display: none; } }
    @media (max-width: 600px) { .wb-stop { padding: 12px 10px; font-size: 13px; } }
  `), why, stop.button, panel);
  panel.append(stop.verdict, close);
  close.addEventListener("click", () => { stop.verdict.hidden = true; });

  async function grant() {
    try {
      const answer = await fetch("/access", { cache: "no-store", credentials: "same-origin" });
      if (!answer.ok) throw new Error(String(answer.status));
      stop.grant(await answer.json());
      host.dataset.ready = "yes";
    } catch {
      setTimeout(grant, RETRY_MS);
    }
  }
  grant();
  const timer = setInterval(grant, RENEW_MS);
  const end = followTheme(host, () => {});
  // The header's text is white in both themes; the verdict's box takes the theme of the page behind it.
  const dark = () => Object.entries(PALETTES[document.querySelector(".mui-light") ? "light" : "dark"]).forEach(([key, value]) => panel.style.setProperty(`--wb-${key}`, value));
  dark();
  const follow = setInterval(dark, 400);
  let told = null;
  model.on("msg:custom", (event) => {
    const state = payload(event).stop || {}, last = state.last_result;
    const mark = !state.latched ? null : last ? JSON.stringify([last.result, last.remaining]) : told || "latched";
    if (!stop.busy()) {  // our own press shows its own answer
      if (last && mark && mark !== told) {  // also over an older verdict: FLAT a minute ago is not FLAT
        const words = describeStop({ ...last, account: state.account });
        stop.show(words.tone, words.title, words.lines);
      }
      if (!mark && told) stop.verdict.hidden = true;  // cleared by a person
      told = mark;
    }
    if (payload(event).desk_pid !== host.dataset.pid && host.dataset.pid) grant();  // a restarted desk knows no old token
    host.dataset.pid = payload(event).desk_pid ?? "";
  });
  model.on("remove", () => { clearInterval(timer); clearInterval(follow); end(); });
  return host;
}
