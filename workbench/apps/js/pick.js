// Candles of which one is chosen, by a click or with the buttons. The library came before this file.
export function render({ model }) {
  const L = globalThis.LightweightCharts;
  const host = node("section", "wb-pick-chart"), bar = node("div", "wb-pick-bar"), title = node("span", "wb-pick-title", "choose a bar"), box = node("div");
  const back = node("button", "", "‹ bar before"), on = node("button", "", "bar after ›");
  host.setAttribute("aria-label", "Bars to explain");
  back.type = on.type = "button";
  box.style.height = matchMedia("(max-width: 600px)").matches ? "220px" : "280px";
  bar.append(title, back, on);
  host.append(styled(`
    .wb-pick-chart { border: 1px solid var(--wb-line); border-radius: 10px; background: var(--wb-card); padding: 8px 10px 6px; width: 100%; box-sizing: border-box; color: var(--wb-fg); font: 14px/1.4 system-ui, sans-serif; }
    .wb-pick-bar { display: flex; gap: 8px; align-items: center; flex-wrap: wrap; margin-bottom: 4px; } .wb-pick-title { margin-right: auto; color: var(--wb-dim); font-variant-numeric: tabular-nums; }
    .wb-pick-chart button { background: transparent; color: var(--wb-fg); border: 1px solid var(--wb-line); border-radius: 6px; padding: 4px 10px; font: inherit; font-size: 13px; cursor: pointer; }
    .wb-pick-chart button:focus-visible { outline: 3px solid var(--wb-info); outline-offset: 1px; }
  `), bar, box);
  const chart = L.createChart(box, { autoSize: true, layout: { attributionLogo: true, background: { color: "transparent" }, fontFamily: "system-ui, sans-serif", fontSize: 12 }, timeScale: { rightOffset: 3, timeVisible: true, secondsVisible: false } });
  const candles = chart.addSeries(L.CandlestickSeries, { borderVisible: false }), marks = L.createSeriesMarkers(candles, []);
  let bars = [], picked = null, palette = PALETTES.dark, heading = "", decimals = 2;
  const written = (value) => value.toLocaleString("en-US", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });

  function show() {
    marks.setMarkers(picked === null ? [] : [{ time: picked, position: "aboveBar", shape: "arrowDown", color: palette.info, text: "this bar" }]);
    const held = bars.find((one) => one.time === picked);
    title.textContent = held ? `${heading} · ${new Date(held.time * 1000).toISOString().slice(11, 16)} CT   O ${written(held.open)}  H ${written(held.high)}  L ${written(held.low)}  C ${written(held.close)}` : bars.length ? `${heading} · choose a bar` : heading || "no bars yet: check the text, and the contract";
  }
  function pick(time) {
    if (!bars.some((one) => one.time === time)) return;
    picked = time;
    show();
    model.send_msg({ act: "bar", time });
  }
  const step = (by) => { const at = picked === null ? bars.length - 1 : bars.findIndex((one) => one.time === picked) + by; if (bars[at]) pick(bars[at].time); };
  back.addEventListener("click", () => step(-1));
  on.addEventListener("click", () => step(1));
  chart.subscribeClick((event) => { if (event.time !== undefined) pick(event.time); });

  model.on("msg:custom", (event) => {
    const message = payload(event), fresh = message.title !== heading || !bars.length;
    heading = message.title;
    bars = message.bars;
    decimals = message.decimals;
    candles.applyOptions({ priceFormat: { type: "custom", minMove: message.tick, formatter: written } });
    candles.setData(bars);
    if (fresh) { picked = null; chart.timeScale().scrollToRealTime(); }
    show();
  });
  model.send_msg({ act: "hello" });
  const end = followTheme(host, (chosen) => {
    palette = chosen;
    chart.applyOptions({ layout: { textColor: chosen.dim, background: { color: "transparent" } }, grid: { vertLines: { color: chosen.line + "88" }, horzLines: { color: chosen.line + "88" } }, timeScale: { borderColor: chosen.line }, rightPriceScale: { borderColor: chosen.line } });
    candles.applyOptions({ upColor: chosen.up, downColor: chosen.down, wickUpColor: chosen.up, wickDownColor: chosen.down });
    show();
  });
  model.on("remove", () => { end(); chart.remove(); });
  return host;
}
