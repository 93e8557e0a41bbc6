"use strict";
(() => {
  const root = document.documentElement;
  const byId = (id) => document.getElementById(id);

  // Theme: as the system, light, dark. A page opened from disk may have no storage.
  const names = { "": "as the system", light: "light", dark: "dark" };
  const button = byId("theme");
  const stored = () => { try { return localStorage.getItem("evmlx-theme") || ""; } catch { return ""; } };
  const paint = (theme) => {
    if (theme) root.dataset.theme = theme; else delete root.dataset.theme;
    button.textContent = `Theme: ${names[theme]}`;
  };
  let theme = stored() in names ? stored() : "";
  paint(theme);
  button.hidden = false;
  button.addEventListener("click", () => {
    const order = Object.keys(names);
    theme = order[(order.indexOf(theme) + 1) % order.length];
    try { localStorage.setItem("evmlx-theme", theme); } catch { /* kept for this visit only */ }
    paint(theme);
  });

  // One drawing a layer, and a choice of which to show.
  for (const pick of document.querySelectorAll(".pick")) {
    pick.hidden = false;
    pick.querySelector("select").addEventListener("change", (event) => {
      for (const view of pick.parentElement.querySelectorAll(".view")) {
        view.hidden = view.dataset.layer !== event.target.value;
      }
    });
  }

  // Values under the pointer, and under the arrow keys.
  const box = byId("tooltip");
  const hide = () => {
    box.hidden = true;
    document.querySelectorAll(".tip.at").forEach((one) => one.classList.remove("at"));
  };
  const show = (one, x, y) => {
    hide();
    one.classList.add("at");
    box.textContent = one.dataset.tip;
    box.hidden = false;
    const room = root.clientWidth - box.offsetWidth - 8;
    box.style.left = `${Math.max(8, Math.min(x + 14, room)) + scrollX}px`;
    const below = y + 18 + box.offsetHeight > innerHeight;
    box.style.top = `${(below ? y - box.offsetHeight - 12 : y + 16) + scrollY}px`;
  };
  document.addEventListener("pointermove", (event) => {
    const one = event.target.closest && event.target.closest("[data-tip]");
    if (one) show(one, event.clientX, event.clientY);
    else if (!document.activeElement.classList.contains("chart")) hide();
  });
  document.addEventListener("pointerdown", (event) => {
    const one = event.target.closest && event.target.closest("[data-tip]");
    if (one) show(one, event.clientX, event.clientY); else hide();
  });
  for (const chart of document.querySelectorAll("svg.chart")) {
    const points = [...chart.querySelectorAll("[data-tip]")];
    const columns = Number(chart.dataset.columns || 1);
    let at = -1;
    chart.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[event.key];
      if (event.key === "Escape") hide();
      if (!step || !points.length) return;
      event.preventDefault();
      at = at < 0 ? 0 : Math.max(0, Math.min(points.length - 1, at + step));
      const place = points[at].getBoundingClientRect();
      show(points[at], place.x + place.width / 2, place.y + place.height / 2);
    });
    chart.addEventListener("blur", hide);
  }

  // What is wider than the page says so.
  const wide = new ResizeObserver((seen) => {
    for (const { target } of seen) {
      target.classList.toggle("more", target.scrollWidth > target.clientWidth + 1);
    }
  });
  for (const one of document.querySelectorAll(".scroll")) wide.observe(one);

  // Tables that a click on a heading sorts.
  const figure = (cell) => {
    const found = cell.textContent.replace(/\u2212/g, "-").replace(/,(?=\d{3})/g, "")
      .match(/[-+]?\d+(\.\d+)?/);
    return found ? Number(found[0]) : NaN;
  };
  for (const table of document.querySelectorAll("table.sortable")) {
    const body = table.tBodies[0];
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const told = [...body.rows].some((row) => row.cells[column]?.textContent.trim()
        && !row.cells[column].querySelector("svg"));
      if (!told) return; // a column of drawings has no order
      const press = document.createElement("button");
      press.type = "button";
      press.append(...head.childNodes);
      if (!press.textContent.trim()) press.setAttribute("aria-label", "first column");
      head.append(press);
      press.addEventListener("click", () => {
        const up = head.getAttribute("aria-sort") === "ascending";
        for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", up ? "descending" : "ascending");
        const sign = up ? -1 : 1;
        const cell = (row) => row.cells[column] || row.cells[row.cells.length - 1];
        const words = column === 0;
        const rows = [...body.rows].sort((a, b) => {
          const [x, y] = [cell(a), cell(b)];
          if (words) return sign * x.textContent.localeCompare(y.textContent, "en", { numeric: true });
          const [p, q] = [figure(x), figure(y)];
          if (Number.isNaN(p) || Number.isNaN(q)) return Number.isNaN(p) - Number.isNaN(q);
          return sign * (p - q);
        });
        body.append(...rows);
      });
    });
  }
})();
