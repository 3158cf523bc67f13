// Colours by the page's own theme: Panel components live in shadow roots, but the text colour reaches into them.
const PALETTES = {
  dark: { fg: "#e6e9ef", dim: "#98a2b3", line: "#2a3140", card: "#141923", up: "#2fb98f", down: "#f2625c", info: "#6aa6ff", warn: "#f0b429" },
  light: { fg: "#1b2330", dim: "#5b6678", line: "#d8dee8", card: "#ffffff", up: "#08735a", down: "#c0272d", info: "#1f5fd0", warn: "#8a5a00" },
};

function isDark(node) {
  const [r, g, b] = (getComputedStyle(node).color.match(/[\d.]+/g) || [0, 0, 0]).map(Number);
  return 0.3 * r + 0.6 * g + 0.1 * b > 128;  // light text means a dark page
}

// Calls back with the palette now and whenever the theme changes; returns a function that ends it.
function followTheme(node, changed) {
  let known = null;
  const look = () => {
    if (!node.parentElement) return;
    const name = isDark(node.parentElement) ? "dark" : "light";  // not of the node: its own colour is ours
    if (name === known) return;
    known = name;
    Object.entries(PALETTES[name]).forEach(([key, value]) => node.style.setProperty(`--wb-${key}`, value));
    changed(PALETTES[name], name);
  };
  look();
  const timer = setInterval(look, 400);
  return () => clearInterval(timer);
}

function node(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined && text !== null) made.textContent = text;  // never innerHTML
  return made;
}

function styled(css) {
  const sheet = document.createElement("style");
  sheet.textContent = css;
  return sheet;
}

// Panel hands a message as the event's data, anywidget as the argument itself.
const payload = (event) => event.data ?? event;
