// Two tokens side by side: what one says and the other does not, or says otherwise.

import { decode } from "./decode.js";
import { $, element } from "./dom.js";

const written = (value) => (value === undefined ? "" : typeof value === "string" ? value : JSON.stringify(value));

// Give the differences of two decoded tokens as `{part, name, one, other}`, and how many members are
// the same.
export function compare(first, second) {
  const different = [];
  let same = 0;
  for (const part of ["header", "payload"]) {
    const [one, other] = [first, second].map((token) => token[part]?.value ?? {});
    for (const name of new Set([...Object.keys(one), ...Object.keys(other)])) {
      const [left, right] = [one, other].map((value) => (Object.hasOwn(value, name) ? value[name] : undefined));
      if (JSON.stringify(left) === JSON.stringify(right)) same += 1;
      else different.push({ part, name, one: written(left), other: written(right) });
    }
  }
  return { different, same };
}

export function showDiff(decoded) {
  const other = decode($("other").value);
  const ready = decoded.header !== null && other.header !== null;
  $("diff-table").hidden = !ready;
  $("diff-said").textContent = ready ? "" : "Paste a second token to see in what the two differ.";
  if (!ready) return;
  const { different, same } = compare(decoded, other);
  const rows = different.map(({ part, name, one, other: left }) => {
    const row = element("tr");
    const title = element("th");
    title.scope = "row";
    title.append(element("code", name, `part-${part}`), element("span", ` (${part})`, "visually-hidden"));
    const cell = (text, label) => {
      const made = element("td");
      made.dataset.label = label;
      made.append(text === "" ? element("span", "not there", "faint") : element("code", text));
      return made;
    };
    row.append(title, cell(one, "this token"), cell(left, "other token"));
    return row;
  });
  $("diff-table").hidden = different.length === 0;
  $("diff").replaceChildren(...rows);
  $("diff-said").textContent =
    different.length === 0
      ? "Header and payload of both say the same."
      : `${different.length} ${different.length === 1 ? "difference" : "differences"}; ${same} the same.`;
}
