// Live candles. The library came before this file and defined LightweightCharts.
export function render({ model, el }) {
  const L = globalThis.LightweightCharts;
  const host = node("div", "wb-chart"), title = node("div", "wb-chart-title"), empty = node("div", "wb-chart-empty", "waiting for bars…"), box = node("div");
  host.append(styled(`
    .wb-chart { position: relative; border: 1px solid var(--wb-line); border-radius: 10px; background: var(--wb-card); padding: 8px 8px 4px; box-sizing: border-box; width: 100%; }
    .wb-chart-title { position: absolute; z-index: 3; left: 16px; top: 12px; color: var(--wb-dim); font: 600 13px system-ui, sans-serif; pointer-events: none; font-variant-numeric: tabular-nums; }
    .wb-chart-empty { position: absolute; inset: 45% 0 auto; text-align: center; color: var(--wb-dim); font: 14px system-ui, sans-serif; }
  `), title, empty, box);
  const phone = matchMedia("(max-width: 600px)").matches;
  box.style.height = `${phone ? Math.min(300, model.height_px) : model.height_px}px`;

  const chart = L.createChart(box, {
    autoSize: true,
    layout: { attributionLogo: true, background: { color: "transparent" }, fontFamily: "system-ui, sans-serif", fontSize: 12 },
    timeScale: { rightOffset: 5, barSpacing: phone ? 5 : 8, timeVisible: true, secondsVisible: false },
    rightPriceScale: { scaleMargins: { top: 0.12, bottom: 0.2 } },
    crosshair: { mode: L.CrosshairMode.Normal },
  });
  let palette = PALETTES.dark, lines = new Map(), marks = [], overlays = new Map(), last = null, step = 60, decimals = 2, heading = "";
  const candles = chart.addSeries(L.CandlestickSeries, { borderVisible: false, autoscaleInfoProvider: (natural) => widened(natural()) });
  const volume = chart.addSeries(L.HistogramSeries, { priceScaleId: "volume", priceFormat: { type: "volume" }, lastValueVisible: false, priceLineVisible: false });
  chart.priceScale("volume").applyOptions({ scaleMargins: { top: 0.86, bottom: 0 } });
  const arrows = L.createSeriesMarkers(candles, []);

  // Stops and targets stay in sight as long as that does not flatten the candles.
  function widened(info) {
    if (!info || !info.priceRange) return info;
    const { minValue, maxValue } = info.priceRange, room = 1.2 * (maxValue - minValue);
    const near = [...lines.values()].map((held) => held.price).filter((p) => p > minValue - room && p < maxValue + room);
    return { ...info, priceRange: { minValue: Math.min(minValue, ...near), maxValue: Math.max(maxValue, ...near) } };
  }

  const bar = (b) => ({ time: b.time, value: b.volume, color: (b.close >= b.open ? palette.up : palette.down) + "55" });

  const written = (value) => value.toLocaleString("en-US", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });

  function drawTitle(b) {
    if (!b) return;
    title.textContent = phone ? `${heading}  ${written(b.close)}` : `${heading}   O ${written(b.open)}  H ${written(b.high)}  L ${written(b.low)}  C ${written(b.close)}  V ${b.volume}`;
  }

  function drawLines(wanted) {
    const keep = new Set();
    for (const want of wanted || []) {
      const key = `${want.title}@${want.price}`;
      keep.add(key);
      if (!lines.has(key)) lines.set(key, { tone: want.tone, price: want.price, line: candles.createPriceLine({ price: want.price, title: want.title, color: palette[want.tone], lineWidth: 1, lineStyle: want.tone === "info" ? 0 : 2, axisLabelVisible: true }) });
    }
    for (const [key, held] of lines) if (!keep.has(key)) { candles.removePriceLine(held.line); lines.delete(key); }
  }

  // Indicators: {name, tone, dash, pane, points}; each is a line of its own, in the candles' pane (0) or below it.
  function drawOverlays(wanted) {
    const keep = new Set(wanted.map((one) => one.name));
    for (const [name, held] of overlays) if (!keep.has(name)) { chart.removeSeries(held.series); overlays.delete(name); }
    for (const one of wanted) {
      const pane = one.pane || 0, options = { color: palette[one.tone], lineStyle: one.dash || 0, lineWidth: 2, title: phone ? "" : one.name, priceLineVisible: false, lastValueVisible: pane > 0 && !phone, crosshairMarkerVisible: false };
      if (!overlays.has(one.name)) overlays.set(one.name, { tone: one.tone, series: chart.addSeries(L.LineSeries, options, pane) });
      overlays.get(one.name).series.setData(one.points);
    }
    chart.panes().forEach((pane, i) => pane.setStretchFactor(i ? 1 : 4));
  }

  // An arrow for each bar and side; numbers only where they do not run into each other, the newest first.
  function drawMarks() {
    const room = (phone ? 6 : 4) * step, taken = {};
    const lettered = new Set([...marks].reverse().filter((m) => { const side = m.qty > 0, free = taken[side] === undefined || taken[side] - m.time >= room; if (free) taken[side] = m.time; return free; }));
    arrows.setMarkers(marks.map((m) => ({ time: m.time, text: lettered.has(m) ? m.text : "", position: m.qty > 0 ? "belowBar" : "aboveBar", shape: m.qty > 0 ? "arrowUp" : "arrowDown", color: m.qty > 0 ? palette.up : palette.down })));
  }

  function all(message) {
    decimals = message.decimals;
    candles.applyOptions({ priceFormat: { type: "custom", minMove: message.tick, formatter: written } });
    if (message.bars.length > 1) step = message.bars[1].time - message.bars[0].time;
    candles.setData(message.bars);
    volume.setData(message.bars.map(bar));
    chart.timeScale().scrollToRealTime();
  }

  function tail(message) {
    for (const b of message.bars) {
      if (last && b.time < last.time) continue;  // the library refuses bars older than its last one
      candles.update(b);
      volume.update(bar(b));
    }
  }

  function heard(event) {
    const message = payload(event);
    heading = message.title;
    if (message.op === "all") { last = null; all(message); } else if (message.bars) tail(message);
    if (message.bars && message.bars.length) last = message.bars[message.bars.length - 1];
    empty.hidden = last !== null;
    empty.style.display = last ? "none" : "";
    drawLines(message.lines);
    if (message.overlays) drawOverlays(message.overlays);
    if (message.fit) chart.timeScale().setVisibleLogicalRange(message.fit);
    if (message.markers && JSON.stringify(message.markers) !== JSON.stringify(marks)) { marks = message.markers; drawMarks(); }
    drawTitle(last);
  }

  chart.subscribeCrosshairMove((point) => drawTitle((point.seriesData && point.seriesData.get(candles) && { volume: (point.seriesData.get(volume) || {}).value, ...point.seriesData.get(candles) }) || last));
  const endTheme = followTheme(host, (colours) => {
    palette = colours;
    const grid = { color: colours.line + "88" };
    chart.applyOptions({ layout: { textColor: colours.dim }, grid: { vertLines: grid, horzLines: grid }, timeScale: { borderColor: colours.line }, rightPriceScale: { borderColor: colours.line } });
    candles.applyOptions({ upColor: colours.up, downColor: colours.down, wickUpColor: colours.up, wickDownColor: colours.down });
    volume.setData(candles.data().map((b, i) => bar({ ...b, volume: (volume.data()[i] || {}).value || 0 })));
    lines.forEach((held) => held.line.applyOptions({ color: colours[held.tone] }));
    overlays.forEach((held) => held.series.applyOptions({ color: colours[held.tone] }));
    drawMarks();
  });
  // Built in a box of no width, the chart would never follow live bars again: scroll once it has one.
  const sized = new ResizeObserver(() => { if (box.clientWidth) { chart.timeScale().scrollToRealTime(); sized.disconnect(); } });
  sized.observe(box);
  model.on("msg:custom", heard);
  model.on("remove", () => { endTheme(); sized.disconnect(); chart.remove(); });
  return host;
}
