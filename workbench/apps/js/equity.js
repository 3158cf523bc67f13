// The account's equity since the page's server began to listen. The library came before this file.
const SECONDS_BELOW_S = 900;  // in a shorter span the minute alone would be written again and again

export function render({ model }) {
  const L = globalThis.LightweightCharts;
  const host = node("div", "wb-chart"), title = node("div", "wb-equity-title"), empty = node("div", "wb-equity-empty", "no equity yet"), box = node("div");
  host.append(styled(`
    .wb-chart { position: relative; border: 1px solid var(--wb-line); border-radius: 10px; background: var(--wb-card); padding: 8px 8px 4px; box-sizing: border-box; width: 100%; }
    .wb-equity-title { position: absolute; z-index: 3; left: 16px; top: 10px; color: var(--wb-dim); font: 600 13px system-ui, sans-serif; pointer-events: none; font-variant-numeric: tabular-nums; max-width: calc(100% - 110px); white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
    .wb-equity-empty { position: absolute; inset: 42% 0 auto; text-align: center; color: var(--wb-dim); font: 14px system-ui, sans-serif; }
  `), title, empty, box);
  box.style.height = `${model.height_px}px`;
  const phone = matchMedia("(max-width: 600px)").matches;
  const chart = L.createChart(box, {
    autoSize: true,
    layout: { attributionLogo: false, background: { color: "transparent" }, fontFamily: "system-ui, sans-serif", fontSize: 12 },
    timeScale: { timeVisible: true, secondsVisible: false, rightOffset: 2 },
    rightPriceScale: { scaleMargins: { top: 0.25, bottom: 0.1 } },
    localization: { priceFormatter: (value) => value.toLocaleString("en-US", { maximumFractionDigits: 0 }) },
    handleScroll: false, handleScale: false,
  });
  const line = chart.addSeries(L.BaselineSeries, { priceFormat: { type: "price", precision: 2, minMove: 0.01 }, lineWidth: 2, priceLineVisible: false });
  let heading = "", last = 0, first = null, began = 0, fine = false;
  const usd = (value) => value.toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 });

  model.on("msg:custom", (event) => {
    const message = payload(event), points = message.points || [];
    heading = (phone ? message.short : message.title) || heading;
    if (message.op === "all") {
      line.setData(points);
      first = points.length ? points[0].value : null;
      began = points.length ? points[0].time : 0;
      line.applyOptions({ baseValue: { type: "price", price: first ?? 0 } });
      chart.timeScale().fitContent();
    } else {
      points.filter((point) => point.time >= last).forEach((point) => line.update(point));
      chart.timeScale().fitContent();
    }
    if (!points.length) return;
    const end = points[points.length - 1], change = end.value - first;
    last = end.time;
    if (fine !== last - began < SECONDS_BELOW_S) { fine = !fine; chart.applyOptions({ timeScale: { secondsVisible: fine } }); }
    empty.hidden = true;
    title.textContent = `${heading}   ${usd(end.value)}${phone ? "" : " USD"}   ${change < 0 ? "▼ −" : change > 0 ? "▲ +" : ""}${usd(Math.abs(change))} USD${phone ? "" : " in view"}`;
  });
  const end = followTheme(host, (palette) => {
    chart.applyOptions({ layout: { textColor: palette.dim }, grid: { vertLines: { color: palette.line + "55" }, horzLines: { color: palette.line + "55" } }, rightPriceScale: { borderColor: palette.line }, timeScale: { borderColor: palette.line } });
    line.applyOptions({ topLineColor: palette.up, bottomLineColor: palette.down, topFillColor1: palette.up + "44", topFillColor2: palette.up + "05", bottomFillColor1: palette.down + "05", bottomFillColor2: palette.down + "44" });
  });
  const grown = new ResizeObserver(() => { if (box.clientWidth) { chart.timeScale().fitContent(); grown.disconnect(); } });
  grown.observe(box);
  model.on("remove", () => { grown.disconnect(); end(); chart.remove(); });
  return host;
}
