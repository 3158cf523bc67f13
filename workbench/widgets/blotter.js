// The last orders and fills.
const SIDES = { BUY: ["▲ BUY", "wb-up"], SELL: ["▼ SELL", "wb-down"] };
const WORKING = ["WORKING", "PENDING", "SUSPENDED"];
const MARKS = { FILLED: "✓ ", REJECTED: "✖ ", UNKNOWN: "▲ " };
const points = (value) => (value == null ? "–" : plain(value, Number.isInteger(value * 100) ? 2 : 5));

const LEGS = { STOP: "stop", STOP_LIMIT: "stop", TRAILING_STOP: "trail", LIMIT: "target" };

// As on the live desk: what waits shows where, what was filled at how much; an exit names its entry's rule.
function orderPrice(order, fills) {
  const mine = fills.filter((f) => f.account === order.account && f.order_id === order.order_id && f.price != null && f.qty);
  const size = mine.reduce((sum, f) => sum + Math.abs(f.qty), 0);
  if (WORKING.includes(String(order.status).toUpperCase()) || !size || size !== order.filled) return order.stop_price ?? order.limit_price;
  return mine.reduce((sum, f) => sum + Math.abs(f.qty) * f.price, 0) / size;
}
function orderRule(order) {
  const [entry, leg] = String(order.rule || "").split(".bracket");
  return leg === undefined ? order.rule || "–" : `${entry} · ${LEGS[order.type] || "exit"}`;
}

// heads: a "#" in front makes a column of numbers.
function smallTable(title, heads, empty) {
  const box = element("div", "wb-blotter"), table = element("table"), top = element("tr"), body = element("tbody");
  const right = heads.map((head) => head.startsWith("#"));
  const cell = (tag, i, given) => {
    const [text, name] = Array.isArray(given) ? given : [given, ""];
    return element(tag, `${right[i] ? "wb-num" : ""} ${name || ""}`, text);
  };
  heads.forEach((head, i) => {
    const made = cell("th", i, head.replace("#", ""));
    made.scope = "col";
    top.append(made);
  });
  const caption = element("caption", "wb-label", title), head = element("thead");
  head.append(top);
  table.append(caption, head, body);
  box.append(table);
  const none = element("td", "wb-muted", empty);
  none.colSpan = heads.length;
  let drawn = null;
  function show(rows) {
    const mark = JSON.stringify(rows);
    if (mark === drawn) return;
    drawn = mark;
    const lines = rows.map((row) => {
      const line = element("tr");
      row.forEach((given, i) => line.append(cell("td", i, given)));
      return line;
    });
    if (!lines.length) {
      lines.push(element("tr"));
      lines[0].append(none);
    }
    body.replaceChildren(...lines);
  }
  show([]);
  return { box, show };
}

function createBlotter() {
  const root = element("div", "wb-tables");
  const orders = smallTable("Last orders", ["Time CT", "Contract", "Side", "Type", "#Qty", "#Price", "Status", "Rule"], "no orders today");
  const fills = smallTable("Last fills", ["Time CT", "Contract", "#Qty", "#Price", "#P&L USD", "#Fees USD"], "no fills today");
  root.append(orders.box, fills.box);
  function show({ orders: asked, fills: filled }) {
    orders.show(asked.map((o) => {
      const status = String(o.status).toUpperCase();
      return [
        clock(o.at), short(o.contract), SIDES[o.side] || o.side, o.type, o.filled && o.filled !== o.qty ? `${o.filled} of ${o.qty}` : String(o.qty),
        points(orderPrice(o, filled)), (MARKS[status] || (WORKING.includes(status) ? "● " : "")) + status.toLowerCase(), orderRule(o),
      ];
    }));
    fills.show(filled.map((f) => [
      clock(f.at), short(f.contract), [signed(f.qty), tone(f.qty)], points(f.price),
      [f.gross_pnl_usd == null ? "–" : money(f.gross_pnl_usd).replace(" USD", ""), tone(f.gross_pnl_usd)], f.fees_usd == null ? "–" : plain(f.fees_usd),
    ]));
  }
  return { root, show };
}
