// Controls of a page that the Tab key should reach, in shadow roots, too. Evaluated three times: all, note, left.
step => {
  if (step === "all") {
    const found = [];
    const walk = root => root.querySelectorAll("*").forEach(node => { found.push(node); if (node.shadowRoot) walk(node.shadowRoot); });
    walk(document);
    const shown = node => node.checkVisibility({ visibilityProperty: true }) && node.getClientRects().length;
    window.__wanted = found.filter(n => n.matches("button, select, input, textarea, a[href], summary") && !n.disabled && n.tabIndex >= 0 && shown(n));
    window.__reached = new Set();
    return window.__wanted.length;
  }
  if (step === "note") {
    let at = document.activeElement;
    while (at && at.shadowRoot && at.shadowRoot.activeElement) at = at.shadowRoot.activeElement;
    window.__reached.add(at);
    return null;
  }
  return window.__wanted.filter(n => n.isConnected && !window.__reached.has(n)).map(n => `${n.tagName} ${n.getAttribute("aria-label") || n.textContent.trim()}`);
}
