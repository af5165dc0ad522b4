// What the token says, name by name: the meaning, the standard, and dates that people can read.

import { DATES, dateOf, nameOf } from "./claims.js";
import { $, element, outward } from "./dom.js";

export function showClaims(decoded, now) {
  const rows = [];
  for (const [part, ink] of [["header", "part-header"], ["payload", "part-payload"]]) {
    for (const [name, value] of Object.entries(decoded[part]?.value ?? {})) {
      rows.push(rowOf(name, value, { part, ink, now, isEncrypted: decoded.kind === "encrypted" }));
    }
  }
  $("claims-section").hidden = rows.length === 0;
  $("claims").replaceChildren(...rows);
}

function rowOf(name, value, { part, ink, now, isEncrypted }) {
  const row = element("tr");
  const title = element("th");
  title.scope = "row";
  title.append(element("code", name, ink), element("span", ` (${part})`, "visually-hidden"));
  const cell = element("td");
  cell.append(element("code", typeof value === "string" ? value : JSON.stringify(value)));
  if (DATES.has(name)) {
    const date = dateOf(value, now);
    cell.append(element("span", date.problem ?? `${date.absolute} · ${date.relative}`, "date"));
  }
  const { meaning, standard, address } = nameOf(name, isEncrypted);
  const source = element("td", undefined, "faint");
  source.append(address ? outward(address, standard) : "the issuer's own");
  row.append(title, cell, element("td", meaning, "faint"), source);
  return row;
}
