// The verdict as people see it: a stamp, why, and every check.

import { $, element } from "./dom.js";

const STAMPS = { true: ["Accepted", "accepted"], false: ["Refused", "refused"], null: ["Can't tell", "untold"] };
const MARKS = {
  good: ["✓", "holds: "], unproved: ["✓", "would hold: "],
  bad: ["✗", "fails: "], open: ["–", "open: "],
};
const MARK_OF = { accepted: "✓", refused: "✗", untold: "?" };
const KINDS = { jwt: "a JWT", "at+jwt": "an access token", "logout+jwt": "a logout token", "dpop+jwt": "a DPoP proof" };

function facts(result) {
  const list = element("dl", undefined, "facts");
  const fact = (name, text, mono) => {
    if (!text) return;
    const told = element("dd");
    told.append(mono ? element("code", text) : text);
    list.append(element("dt", name), told);
  };
  fact("Why", result.message);
  fact("Code", result.code, true);
  fact("Where", result.claim, true);
  fact("Expected", result.expected);
  fact("To change", result.change);
  return list;
}

function checks(steps) {
  const list = element("ol", undefined, "checks");
  // What a token says counts only where its signature holds.
  let proved = true;
  for (const { name, state: found, text } of steps) {
    if (name === "Signature") proved = found === "good";
    const state = found === "good" && !proved ? "unproved" : found;
    const [mark, word] = MARKS[state];
    const item = element("li", undefined, state);
    const sign = element("span", mark, "mark");
    sign.setAttribute("aria-hidden", "true");
    const said = element("span", undefined, "found");
    said.append(element("span", word, "visually-hidden"), text);
    item.append(sign, element("b", name), said);
    list.append(item);
  }
  return list;
}

// `result` is null where there is no token, else a verdict and: `kind`, "signed" or "encrypted";
// `type`, as what it was judged; `hasKey`, whether there was a key to judge with.
export function showVerdict(result) {
  const short = $("tab-verdict");
  if (result === null) {
    short.replaceChildren();
    $("judged").textContent = "";
    $("verdict").replaceChildren(element("p", "Paste a token to see its verdict, or load an example.", "empty"));
    return;
  }
  const [word, look, told] = headline(result);
  short.replaceChildren(element("span", ` ${MARK_OF[look]}`, look), element("span", word, "visually-hidden"));
  const made = [element("p", word, `stamp ${look}`), facts(told)];
  if (result.kind !== "encrypted") made.push(checks(result.steps));
  $("verdict").replaceChildren(...made);
  const kind = KINDS[result.type.toLowerCase().replace(/^application\//, "")];
  $("judged").textContent = result.kind === "encrypted" ? "" : `judged as ${kind ?? result.type}`;
}

function headline(result) {
  if (result.kind === "encrypted") {
    return [result.hasKey ? "Encrypted" : "Encrypted: give the key", "untold", {
      message: "Without the key only its header can be read.",
      change: "Decrypt it: a service with the decryption key then judges the signed token inside.",
    }];
  }
  if (result.expired) return ["Expired", "refused", result.expired];
  if (result.code === "expired") return ["Expired", "refused", result];
  if (result.code === "key_not_found" && !result.hasKey) return ["No key yet", "untold", result];
  return [...STAMPS[result.accepted], result];
}
