// One report, framed: it may run nothing and knows nothing of this page. It has a link of its own, for printing.
const REPORT_VIEW_CSS = `
  .wb-report { border: 1px solid var(--wb-line); border-radius: 10px; overflow: hidden; background: var(--wb-card); width: 100%; box-sizing: border-box; font: 14px/1.4 system-ui, sans-serif; color: var(--wb-fg); }
  .wb-report header { display: flex; flex-wrap: wrap; gap: 6px 14px; align-items: center; padding: 8px 14px; }
  .wb-report h2 { font-size: 15px; margin: 0; font-weight: 650; overflow-wrap: anywhere; } .wb-report .wb-said { color: var(--wb-dim); font-size: 13px; }
  .wb-report nav { margin-left: auto; display: flex; gap: 8px; align-items: center; }
  .wb-report a, .wb-report button { color: var(--wb-fg); background: transparent; border: 1px solid var(--wb-line); border-radius: 6px; padding: 4px 12px; font: inherit; font-size: 13px; text-decoration: none; cursor: pointer; }
  .wb-report a:hover, .wb-report button:hover { border-color: var(--wb-info); }
  .wb-report iframe { display: block; width: 100%; height: max(520px, 78vh); border: 0; border-top: 1px solid var(--wb-line); background: #fff; }
  .wb-report :focus-visible { outline: 3px solid var(--wb-info); outline-offset: 1px; } .wb-report[hidden] { display: none; }
`;

export function render({ model }) {
  const host = node("section", "wb-report"), head = node("header"), title = node("h2"), said = node("span", "wb-said"), places = node("nav"), own = node("a", "", "Open in its own tab"), close = node("button", "", "Close");
  host.setAttribute("aria-label", "The report");
  Object.assign(own, { target: "_blank", rel: "noopener" });
  close.type = "button";
  places.append(own, close);
  head.append(title, said, places);
  host.append(styled(REPORT_VIEW_CSS), head);
  host.hidden = true;
  let frame = null;
  const drop = () => { if (frame) frame.remove(); frame = null; host.hidden = true; };
  close.addEventListener("click", () => { drop(); model.send_msg({ act: "closed" }); });
  model.on("msg:custom", (event) => {
    const message = payload(event);
    if (!message.path) return drop();
    if (frame) frame.remove();
    frame = node("iframe");
    frame.setAttribute("sandbox", "");
    frame.title = message.title;
    frame.src = own.href = message.path;
    title.textContent = message.title;
    said.textContent = message.said;
    host.append(frame);
    host.hidden = false;
    host.scrollIntoView({ behavior: "smooth", block: "start" });
  });
  const end = followTheme(host, () => {});
  model.on("remove", end);
  return host;
}
