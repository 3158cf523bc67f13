// Where one can go, what the desk is doing when it does nothing, and what the last action brought.
export function render({ model }) {
  const host = node("div", "wb-nav"), bar = node("nav", "wb-places"), choice = node("select", "wb-choice"), dead = node("p", "wb-dead"), told = node("p", "wb-told");
  bar.setAttribute("aria-label", "Pages");
  choice.setAttribute("aria-label", "Page");
  dead.setAttribute("role", "alert");
  told.setAttribute("role", "status");
  dead.hidden = told.hidden = true;
  host.append(styled(`
    .wb-nav { font: 14px/1.4 system-ui, sans-serif; color: var(--wb-fg); width: 100%; box-sizing: border-box; padding: 2px 10px 0; }
    .wb-places { display: flex; gap: 2px; border-bottom: 1px solid var(--wb-line); margin-bottom: 10px; }
    .wb-places a { color: var(--wb-dim); text-decoration: none; padding: 9px 14px 8px; border-bottom: 3px solid transparent; white-space: nowrap; }
    .wb-places a:hover { color: var(--wb-fg); }
    .wb-places a[aria-current] { color: var(--wb-fg); border-color: var(--wb-info); font-weight: 650; }
    .wb-places a:focus-visible, .wb-choice:focus-visible { outline: 3px solid var(--wb-info); outline-offset: -3px; border-radius: 6px; }
    .wb-choice { display: none; width: 100%; font: 600 15px system-ui, sans-serif; color: var(--wb-fg); background: var(--wb-card); border: 1px solid var(--wb-line); border-radius: 8px; padding: 9px 10px; margin-bottom: 10px; }
    .wb-dead, .wb-told { margin: 0 0 10px; padding: 8px 14px; border-radius: 8px; overflow-wrap: anywhere; }
    .wb-dead { background: #c62828; color: #fff; font-weight: 700; }
    .wb-told { border: 1px solid var(--wb-line); border-left: 5px solid var(--wb-info); background: var(--wb-card); }
    .wb-told.wb-ok { border-left-color: var(--wb-up); } .wb-told.wb-warn { border-left-color: var(--wb-warn); } .wb-told.wb-alarm { border-left-color: var(--wb-down); }
    @media (max-width: 760px) { .wb-places { display: none; } .wb-choice { display: block; } }
  `), bar, choice, dead, told);
  model.places.forEach((place) => {
    const link = node("a", "", place.title), option = node("option", "", place.title);
    link.href = option.value = place.path;
    if (place.here) { link.setAttribute("aria-current", "page"); option.selected = true; }
    bar.append(link);
    choice.append(option);
  });
  choice.addEventListener("change", () => { location.href = choice.value; });

  const MARKS = { ok: "✓ ", warn: "▲ ", alarm: "✖ ", "": "" };
  let heardAt = performance.now(), why = "";
  function look() {
    const silent = (performance.now() - heardAt) / 1000;
    const text = model.quiet ? "" : why ? `✖ DESK DEAD · ${why}` : silent > 5 ? `▲ no news for ${Math.round(silent)} s: this page is old` : "";
    dead.hidden = !text;
    dead.textContent = text;
  }
  model.on("msg:custom", (event) => {
    const message = payload(event);
    if (message.told !== undefined) {
      told.hidden = !message.told;
      told.className = `wb-told ${message.tone ? `wb-${message.tone}` : ""}`;
      told.textContent = (MARKS[message.tone || ""] || "") + message.told;
    } else {
      heardAt = performance.now();
      why = message.dead || "";
    }
    look();
  });
  // The choice of light or dark goes with the person from page to page.
  const end = followTheme(host, (_, name) => { document.cookie = `${model.theme_cookie}=${name}; path=/; max-age=31536000; SameSite=Strict`; });
  const timer = setInterval(look, 1000);
  model.on("remove", () => { clearInterval(timer); end(); });
  return host;
}
