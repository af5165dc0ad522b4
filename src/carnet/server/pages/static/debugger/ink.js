// The three inks under the field for the token: the field's own letters are transparent, and the
// same text in colours lies behind it.

import { $, element } from "./dom.js";

const INKS = { header: "part-header", payload: "part-payload", signature: "part-signature" };

export function showInk(decoded) {
  const field = $("token");
  const text = decoded.parts.map((part) => part.text).join(".");
  const plain = decoded.parts.length < 2 || text !== field.value;
  field.classList.toggle("inked", !plain);
  const made = plain ? [] : decoded.parts.flatMap(({ name, text: part }, place) => [
    ...(place > 0 ? [element("span", ".", "faint")] : []),
    element("span", part, INKS[name] ?? ""),
  ]);
  $("ink").replaceChildren(...made);
  $("ink").scrollTop = field.scrollTop;
}

$("token").addEventListener("scroll", () => {
  $("ink").scrollTop = $("token").scrollTop;
});
