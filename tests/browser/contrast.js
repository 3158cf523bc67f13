// Visible texts under a selector whose contrast is below WCAG AA; evaluated in a page.
selector => {
  const luminance = ([r, g, b]) => [r, g, b].map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const read = colour => { const n = colour.match(/[\d.]+/g).map(Number); return [...n.slice(0, 3), n[3] ?? 1]; };
  const over = (top, below) => top.slice(0, 3).map((v, i) => v * top[3] + below[i] * (1 - top[3]));
  const behind = node => { const stack = []; for (let n = node; n; n = n.parentElement) stack.push(read(getComputedStyle(n).backgroundColor));
    return stack.reverse().reduce((below, top) => over(top, below), [255, 255, 255]); };
  const words = node => [...node.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
  return [...document.querySelectorAll(selector + ' *')].filter(n => words(n) && n.checkVisibility() && !n.closest('svg, canvas')).map(n => {
    const below = behind(n), style = getComputedStyle(n), text = over(read(style.color), below);
    const [high, low] = [luminance(text), luminance(below)].sort((a, b) => b - a);
    const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && style.fontWeight >= 700);
    return { text: n.textContent.trim().slice(0, 40), ratio: (high + 0.05) / (low + 0.05), least: large ? 3 : 4.5 };
  }).filter(found => found.ratio < found.least).map(found => `${found.text}: ${found.ratio.toFixed(2)}`);
}
