// When a token is valid, drawn: from "iat" or "nbf" to "exp", and where now is.

import { dateOf } from "./claims.js";
import { $, element, svg } from "./dom.js";

const WIDTH = 320;
const WORDS = { iat: "issued", nbf: "valid from", now: "now", exp: "expires" };

// Give the moments of a claim set in their order, as `[name, seconds]`; none without an "exp".
export function moments(claims, now) {
  const isDate = (value) => dateOf(value, now).problem === undefined;
  if (!isDate(claims?.exp)) return [];
  const found = ["iat", "nbf", "exp"].filter((name) => isDate(claims[name])).map((name) => [name, claims[name]]);
  return [...found, ["now", now]].sort((one, other) => one[1] - other[1]);
}

export function showTimeline(claims, now) {
  const found = moments(claims, now);
  $("timeline").hidden = found.length === 0;
  if (found.length === 0) return;
  const at = Object.fromEntries(found);
  const [first, last] = [found[0][1], found.at(-1)[1]];
  const place = (moment) => 6 + ((WIDTH - 12) * (moment - first)) / Math.max(last - first, 1);
  const begin = at.nbf ?? at.iat ?? Math.min(at.exp, now);
  const drawing = svg("svg", { viewBox: `0 0 ${WIDTH} 26`, "aria-hidden": "true" });
  const line = (name, x, y1, y2) => svg("line", { class: name, x1: x, x2: x, y1, y2 });
  drawing.append(svg("line", { class: "ground", x1: 6, x2: WIDTH - 6, y1: 13, y2: 13 }));
  if (at.exp > begin) {
    const width = place(at.exp) - place(begin);
    drawing.append(svg("rect", { class: "valid", x: place(begin), y: 9, width, height: 8 }));
  }
  for (const [name, moment] of found) {
    drawing.append(name === "now" ? line("moment-now", place(moment), 1, 25) : line("moment", place(moment), 5, 21));
  }
  const list = element("ol");
  for (const [name, moment] of found) {
    const { absolute, relative } = dateOf(moment, now);
    const item = element("li", undefined, name === "now" ? "is-now" : "");
    const word = name === "exp" && moment <= now ? "expired" : WORDS[name];
    item.append(element("b", word), name === "now" ? "" : ` ${relative}`);
    item.title = absolute;
    list.append(item);
  }
  $("timeline").replaceChildren(drawing, list);
}
