// On a narrow screen the page's parts become tabs (WAI-ARIA's pattern: arrows, Home and End move
// between them). On a wide one, and without script, all parts are there at once.

import { $ } from "./dom.js";

const NARROW = matchMedia("(max-width: 63.99rem)");
const tabs = [...$("tabs").querySelectorAll("[role=tab]")];
const parts = [...document.querySelectorAll("[data-tab]")];
let current = tabs[0];

function arrange() {
  $("tabs").hidden = !NARROW.matches;
  for (const part of parts) {
    if (NARROW.matches) part.setAttribute("role", "tabpanel");
    else part.removeAttribute("role");
    part.classList.toggle("away", NARROW.matches && part.dataset.tab !== current.dataset.for);
  }
  for (const tab of tabs) {
    tab.setAttribute("aria-selected", String(tab === current));
    tab.tabIndex = tab === current ? 0 : -1;
  }
}

export function showTab(name) {
  current = tabs.find((tab) => tab.dataset.for === name);
  arrange();
}

const MOVES = { ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity };

function move(event) {
  const by = MOVES[event.key];
  if (by === undefined) return;
  event.preventDefault();
  const at = tabs.indexOf(current);
  const next = Number.isFinite(by) ? (at + by + tabs.length) % tabs.length : by < 0 ? 0 : tabs.length - 1;
  showTab(tabs[next].dataset.for);
  current.focus();
}

for (const tab of tabs) tab.addEventListener("click", () => showTab(tab.dataset.for));
$("tabs").addEventListener("keydown", move);
NARROW.addEventListener("change", arrange);
arrange();
