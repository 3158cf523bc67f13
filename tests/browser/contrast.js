// Visible texts under a selector whose contrast is below WCAG AA; evaluated in a page, and looking into its shadow roots.
selector => {
  const luminance = ([r, g, b]) => [r, g, b].map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  // "rgb(1, 2, 3)", "rgba(1, 2, 3, 0.5)", and what color-mix makes: "color(srgb 0.1 0.2 0.3 / 0.5)".
  const read = colour => { const n = colour.replace("srgb", "").match(/[\d.]+(e-\d+)?/g).map(Number), full = colour.startsWith("color") ? 255 : 1;
    return [...n.slice(0, 3).map(v => v * full), n[3] ?? 1]; };
  const over = (top, below) => top.slice(0, 3).map((v, i) => v * top[3] + below[i] * (1 - top[3]));
  const found = [];
  const collect = root => root.querySelectorAll("*").forEach(n => { found.push(n); if (n.shadowRoot) collect(n.shadowRoot); });
  collect(document);
  const up = n => n.assignedSlot ?? n.parentElement ?? n.getRootNode().host ?? null;
  const lineage = n => { const chain = []; for (let at = n; at; at = up(at)) chain.unshift(at); return chain; };
  // What is behind a text and the text itself, as both are painted: backgrounds over one another, groups faded as a whole.
  const painted = (chain, colour, below, i = 0) => {
    const style = getComputedStyle(chain[i]), back = over(read(style.backgroundColor), below), fade = Number(style.opacity);
    const [inner, text] = i + 1 < chain.length ? painted(chain, colour, back, i + 1) : [back, over(colour, back)];
    return [inner, text].map(shown => over([...shown, fade], below));
  };
  const words = n => {
    if (n.matches("option, script, style, title, textarea")) return n.matches("textarea") ? n.value : "";
    if (n.matches("select")) return n.selectedOptions[0]?.textContent ?? "";
    if (n.matches("input")) return n.matches("[type=checkbox], [type=radio], [type=range]") ? "" : n.value || n.placeholder;
    return [...n.childNodes].filter(c => c.nodeType === 3).map(c => c.textContent).join("");
  };
  const idle = n => lineage(n).some(a => a.matches(":disabled, [aria-disabled=true], svg, canvas"));
  const faint = n => {
    const hint = n.matches("input, textarea") && !n.value, style = getComputedStyle(n, hint ? "::placeholder" : null), colour = read(style.color);
    if (hint) colour[3] *= Number(style.opacity);
    if (!colour[3]) return { ratio: 21 };  // a hint that waits for its field to be entered
    const [below, text] = painted(lineage(n), colour, [255, 255, 255]);
    const [high, low] = [luminance(text), luminance(below)].sort((a, b) => b - a), px = parseFloat(style.fontSize);
    return { text: words(n).trim().slice(0, 40), ratio: (high + 0.05) / (low + 0.05), least: px >= 24 || (px >= 18.66 && style.fontWeight >= 700) ? 3 : 4.5 };
  };
  return found.filter(n => words(n).trim() && n.checkVisibility({ visibilityProperty: true, opacityProperty: true }) && n.getClientRects().length)
    .filter(n => lineage(n).slice(0, -1).some(a => a.matches(selector)) && !idle(n))
    .map(faint).filter(one => one.ratio < one.least).map(one => `${one.text}: ${one.ratio.toFixed(2)}`);
}
