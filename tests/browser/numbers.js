// What is wrong with the cells of a page's tables: numbers that are not right-aligned, tones that only a colour tells.
() => {
  const tables = [], wrong = [];
  const walk = root => root.querySelectorAll("*").forEach(node => { if (node.matches(".wb-grid table")) tables.push(node); if (node.shadowRoot) walk(node.shadowRoot); });
  walk(document);
  const number = /^[✖▲●+−]?\s?[\d,]+(\.\d+)?\s?(USD|%|s|ms|MB|x|h|min)?$/, names = ["Account"];  // a number that names is none
  const sign = /[✖▲▼●✓■◆○◔★+−-]/;
  tables.forEach(table => {
    const title = table.closest(".wb-grid").getAttribute("aria-label"), rows = [...table.querySelectorAll("tbody tr")];
    [...table.querySelectorAll("thead th")].forEach((head, i) => {
      const cells = rows.map(row => row.children[i]).filter(cell => cell && !["", "–"].includes(cell.textContent.trim()));
      const numbers = cells.length > 0 && cells.every(cell => number.test(cell.textContent.trim())) && !names.includes(head.textContent);
      if (numbers && [head, ...cells].some(cell => getComputedStyle(cell).textAlign !== "right")) wrong.push(`${title}: ${head.textContent} is not right-aligned`);
      cells.filter(cell => cell.matches(".wb-up, .wb-down, .wb-ok, .wb-warn, .wb-alarm") && !sign.test(cell.textContent))
        .forEach(cell => wrong.push(`${title}: ${cell.textContent} is told by its colour alone`));
    });
  });
  return { tables: tables.length, wrong };
}
