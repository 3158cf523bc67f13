// Equity above, drawdown below, another run dashed beside it. The library came before this file.
// How far each point is below the highest one before it, where nobody has said.
function below(points) {
  let top = -Infinity;
  return points.map((point) => { top = Math.max(top, point.value); return { time: point.time, value: point.value - top }; });
}

export function render({ model }) {
  const L = globalThis.LightweightCharts;
  const host = node("div", "wb-curve"), title = node("div", "wb-curve-title"), empty = node("div", "wb-curve-empty", "no curve yet"), box = node("div");
  host.append(styled(`
    .wb-curve { position: relative; border: 1px solid var(--wb-line); border-radius: 10px; background: var(--wb-card); padding: 30px 8px 4px; box-sizing: border-box; width: 100%; }
    .wb-curve-title { position: absolute; left: 16px; right: 12px; top: 9px; color: var(--wb-dim); font: 600 13px system-ui, sans-serif; font-variant-numeric: tabular-nums; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
    .wb-curve-empty { position: absolute; inset: 45% 0 auto; text-align: center; color: var(--wb-dim); font: 14px system-ui, sans-serif; }
  `), title, empty, box);
  box.style.height = `${model.height_px}px`;
  const chart = L.createChart(box, {
    autoSize: true,
    layout: { attributionLogo: false, background: { color: "transparent" }, fontFamily: "system-ui, sans-serif", fontSize: 12 },
    timeScale: { timeVisible: true, secondsVisible: false, rightOffset: 1, minBarSpacing: 0.01 },
    rightPriceScale: { scaleMargins: { top: 0.08, bottom: 0.08 }, minimumWidth: 76 },
    localization: { priceFormatter: (value) => value.toLocaleString("en-US", { maximumFractionDigits: 0 }) },
  });
  const format = { priceFormat: { type: "price", precision: 2, minMove: 0.01 }, priceLineVisible: false };
  const equity = chart.addSeries(L.BaselineSeries, { ...format, lineWidth: 2, baseValue: { type: "price", price: 0 } });
  const other = chart.addSeries(L.LineSeries, { ...format, lineWidth: 2, lineStyle: 2, lastValueVisible: false });
  const fall = chart.addSeries(L.AreaSeries, { ...format, lineWidth: 1, lastValueVisible: false }, 1);
  chart.panes()[0].setStretchFactor(3);
  chart.panes()[1].setStretchFactor(1);
  const usd = (value) => `${value < 0 ? "−" : value > 0 ? "+" : ""}${Math.abs(value).toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 })} USD`;
  let ends = null, beside = false;

  function say(at, a, b, c) {
    const parts = [];
    if (a != null) parts.push(`net ${usd(a)}`);
    if (c != null) parts.push(`drawdown ${usd(c)}`);
    if (beside && b != null) parts.push(`B (dashed) ${usd(b)}`);
    title.textContent = `${parts.join("   ")}${at}`;
  }
  const rest = () => ends && say("   ·   equity above, drawdown below, USD, Chicago time", ...ends);

  model.on("msg:custom", (event) => {
    const message = payload(event), last = (points) => (points.length ? points[points.length - 1].value : null);
    const falls = message.drawdown.length ? message.drawdown : below(message.equity);
    equity.setData(message.equity);
    other.setData(message.other);
    fall.setData(falls);
    beside = message.other.length > 0;
    ends = message.equity.length ? [last(message.equity), last(message.other), last(falls)] : null;
    empty.hidden = ends !== null;
    empty.style.display = ends ? "none" : "";
    host.dataset.points = String(message.equity.length);
    if (ends) rest(); else title.textContent = "";
    chart.timeScale().fitContent();
  });
  chart.subscribeCrosshairMove((point) => {
    const value = (series) => { const found = point.seriesData && point.seriesData.get(series); return found ? found.value : null; };
    if (point.time && value(equity) != null) say(`   ·   ${new Date(point.time * 1000).toISOString().slice(0, 16).replace("T", " ")} CT`, value(equity), value(other), value(fall));
    else rest();
  });
  const end = followTheme(host, (palette) => {
    chart.applyOptions({ layout: { textColor: palette.dim, panes: { separatorColor: palette.line } }, grid: { vertLines: { color: palette.line + "55" }, horzLines: { color: palette.line + "55" } }, rightPriceScale: { borderColor: palette.line }, timeScale: { borderColor: palette.line } });
    equity.applyOptions({ topLineColor: palette.up, bottomLineColor: palette.down, topFillColor1: palette.up + "44", topFillColor2: palette.up + "05", bottomFillColor1: palette.down + "05", bottomFillColor2: palette.down + "44" });
    other.applyOptions({ color: palette.info });
    fall.applyOptions({ lineColor: palette.down, topColor: palette.down + "10", bottomColor: palette.down + "55", invertFilledArea: true });
  });
  model.send_msg({ act: "hello" });
  const grown = new ResizeObserver(() => { if (box.clientWidth) { chart.timeScale().fitContent(); grown.disconnect(); } });
  grown.observe(box);
  model.on("remove", () => { grown.disconnect(); end(); chart.remove(); });
  return host;
}
