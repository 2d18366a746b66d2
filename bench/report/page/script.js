// Interaction: sorting, filtering by what the reader needs, reasons in the heat map, and copying fixtures.
"use strict";

const all = (selector, within = document) => [...within.querySelectorAll(selector)];

// --- sorting: each column head becomes a button

const valueOf = (row, column, kind) => {
  const cell = row.cells[column], text = cell.dataset.value ?? cell.textContent;
  if (kind === "text") return text || "\uffff";
  const number = parseFloat(text);
  return Number.isNaN(number) ? Infinity : number;
};

for (const table of all("table.sortable")) {
  const heads = all("thead th", table);
  heads.forEach((head, column) => {
    if (!head.dataset.sort) return;
    const button = document.createElement("button");
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const body = table.tBodies[0], kind = head.dataset.sort;
      const rows = [...body.rows].sort((one, other) => {
        const [a, b] = [one, other].map((row) => valueOf(row, column, kind));
        // Rows without a figure stay at the end in both directions.
        if (a === Infinity || b === Infinity) return a === b ? 0 : a === Infinity ? 1 : -1;
        return (a < b ? -1 : a > b ? 1 : 0) * (down ? -1 : 1);
      });
      body.append(...rows);
    });
  });
}

// --- needs: the table and the chart of fidelity against cost adapt

const form = document.getElementById("needs");

const lacking = (row, needs) => {
  const lacks = row.dataset.lacks;
  return lacks === "unknown" ? needs : needs.filter((probe) => lacks.split(" ").includes(probe));
};

const tied = (row, other) => [...row.dataset.letters].some((letter) => other.dataset.letters.includes(letter));

const frontierLine = document.querySelector("#tradeoff-frontier path");
const wholeFrontier = frontierLine?.getAttribute("d");

// The Pareto frontier among rows, cheapest first, as in the chart: no significantly cheaper strategy sees as many.
const drawFrontier = (rows) => {
  const best = rows.filter((row, number) => !rows.slice(0, number).some(
    (other) => Number(other.dataset.sees) >= Number(row.dataset.sees) && !tied(other, row)));
  const dots = best.map((row) => document.getElementById(`tradeoff-dot-${row.dataset.name}`)).filter(Boolean);
  const points = dots.map((dot) => {
    const box = dot.getBBox();
    return [box.x + box.width / 2, box.y + box.height / 2];
  }).sort((one, other) => one[0] - other[0]);
  let path = "", level = points[0]?.[1];
  for (const [x, y] of points) {
    path += `${path ? "L" : "M"} ${x} ${level} L ${x} ${Math.min(level, y)} `;
    level = Math.min(level, y);
  }
  const end = wholeFrontier.trim().split(/[\sLM]+/).at(-2);
  frontierLine.setAttribute("d", path && `${path}L ${end} ${level}`);
};

const follow = () => {
  const needs = all("[data-probe]:checked", form).map((box) => box.dataset.probe);
  for (const family of all("[data-family]", form)) {
    const boxes = all(`[data-of="${family.dataset.family}"]`, form), ticked = boxes.filter((box) => box.checked).length;
    family.checked = ticked === boxes.length;
    family.indeterminate = ticked > 0 && ticked < boxes.length;
  }
  const fit = [];
  for (const row of all(".choices tbody tr")) {
    const lacks = lacking(row, needs), name = row.dataset.name;
    row.classList.toggle("unfit", lacks.length > 0);
    const more = lacks.length > 3 ? ` and ${lacks.length - 3} more` : "";
    row.querySelector(".caveat .unfit").textContent = lacks.length ? `lacks ${lacks.slice(0, 3).join(", ")}${more}` : "";
    if (!lacks.length && row.dataset.ranked) fit.push(row);
    for (const part of ["dot", "label", "interval", "leader"])
      document.getElementById(`tradeoff-${part}-${name}`)?.classList.toggle("faded", lacks.length > 0);
  }
  fit.sort((one, other) => one.dataset.place - other.dataset.place);
  if (frontierLine && needs.length) drawFrontier(fit);
  else frontierLine?.setAttribute("d", wholeFrontier);
  const best = fit[0], said = document.getElementById("fits");
  const ties = best ? fit.slice(1).filter((row) => tied(best, row)).map((row) => row.cells[0].textContent) : [];
  const names = fit.map((row) => row.cells[0].textContent).join(", ");
  said.textContent = !needs.length ? "" : !best ? "No ranked strategy sees all of that."
    : form.dataset.noise === "unusable" ? `Strategies that see all of that: ${names}. The run is too noisy to say which one is cheapest.`
    : `${fit.length === 1 ? "One strategy sees" : `${fit.length} strategies see`} all of that; the cheapest is `
      + `${best.cells[0].textContent}, ${best.cells[1].textContent} ms per test${ties.length ? `, tied with ${ties.join(", ")}` : ""}.`;
};

if (form) {
  form.hidden = false;
  form.addEventListener("change", (event) => {
    const family = event.target.dataset.family;
    if (family) for (const box of all(`[data-of="${family}"]`, form)) box.checked = event.target.checked;
    follow();
  });
  form.addEventListener("reset", (event) => {
    event.preventDefault();
    for (const box of all("[data-probe]", form)) box.checked = false;
    follow();
  });
  // Boxes that the browser restored from an earlier visit, or that the run's --need ticked.
  if (all("[data-probe]:checked", form).length) follow();
}

// --- reasons in the heat map, by pointer or by keyboard

const tip = document.getElementById("tip");
const cells = all(".heat td a");

const explain = (link) => {
  const entry = document.getElementById(link.hash.slice(1));
  if (!entry) return;
  tip.textContent = `${link.hash.slice(5)}\n${entry.nextElementSibling.querySelector("pre").textContent}`;
  tip.hidden = false;
  link.setAttribute("aria-describedby", "tip");
  const cell = link.getBoundingClientRect(), own = tip.getBoundingClientRect();
  const below = cell.bottom + 8 + own.height < innerHeight;
  tip.style.left = `${Math.max(8, Math.min(cell.left, innerWidth - own.width - 8))}px`;
  tip.style.top = `${below ? cell.bottom + 8 : Math.max(8, cell.top - own.height - 8)}px`;
};

const hideTip = () => {
  tip.hidden = true;
  for (const link of all("[aria-describedby=tip]")) link.removeAttribute("aria-describedby");
};

for (const link of cells) {
  link.addEventListener("pointerenter", () => explain(link));
  link.addEventListener("pointerleave", hideTip);
  link.addEventListener("focus", () => explain(link));
  link.addEventListener("blur", hideTip);
}

// The map is a single tab stop; the arrow keys move to the next cell that has a reason.
cells.forEach((link, number) => { link.tabIndex = number ? -1 : 0; });
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") hideTip();
  const link = event.target.closest?.(".heat td a"), step = {
    ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0],
  }[event.key];
  if (!link || !step) return;
  event.preventDefault();
  const rows = all(".heat tbody tr");
  let row = rows.indexOf(link.closest("tr")), column = link.closest("td").cellIndex, next = null;
  while (!next) {
    [row, column] = [row + step[0], column + step[1]];
    if (!rows[row]?.cells[column] || column < 1) return;
    next = rows[row].cells[column].querySelector("a");
  }
  link.tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
});

// --- a link to something folded unfolds it

const unfold = () => {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const folded = target && target.closest("details");
  if (folded && !folded.open) {
    folded.open = true;
    target.scrollIntoView();
  }
};
addEventListener("hashchange", unfold);
unfold();

// --- copying

for (const button of all("[data-copy]")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    const code = document.getElementById(button.dataset.copy), said = button.parentElement.querySelector("output");
    try {
      await navigator.clipboard.writeText(code.textContent);
      said.textContent = "copied";
    } catch {
      getSelection().selectAllChildren(code);
      said.textContent = "selected: press Ctrl-C";
    }
  });
}
