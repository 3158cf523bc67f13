// Controls of a page that a keyboard should reach, in shadow roots, too. Evaluated three times: all, note, left.
// Of a group of buttons only one is a station of the Tab key: the arrow keys go to the others.
step => {
  const CONTROLS = "button, select, input, textarea, a[href], summary, [role=button], [role=tab], [role=combobox], [role=slider], [tabindex]";
  if (step === "all") {
    const found = [];
    const walk = root => root.querySelectorAll("*").forEach(node => { found.push(node); if (node.shadowRoot) walk(node.shadowRoot); });
    walk(document);
    const shown = node => node.checkVisibility({ visibilityProperty: true }) && node.getClientRects().length;
    const meant = node => node.tabIndex >= 0 || (node.matches("button, select, input, textarea, a[href]") && !node.closest("[aria-hidden=true]"));
    window.__wanted = found.filter(n => n.matches(CONTROLS) && !n.disabled && meant(n) && shown(n));
    window.__reached = new Set();
    return window.__wanted.length;
  }
  if (step === "note") {
    let at = document.activeElement;
    while (at && at.shadowRoot && at.shadowRoot.activeElement) at = at.shadowRoot.activeElement;
    window.__reached.add(at);
    const group = at && at.closest("[role=group], [role=radiogroup], [role=tablist]");
    return group ? window.__wanted.filter(n => group.contains(n) && n.tabIndex < 0 && !window.__reached.has(n)).length : 0;
  }
  return window.__wanted.filter(n => n.isConnected && !window.__reached.has(n)).map(n => `${n.tagName} ${n.getAttribute("aria-label") || n.textContent.trim()}`);
}
