// The page: what is typed goes through decode, keys and verdict, and what comes out is shown.
// Nothing here speaks to a server but the button that finds this server's own keys.

import { DATES, MEANINGS, dateOf } from "./claims.js";
import { decode, packed, withParts } from "./decode.js";
import { metadataOf, ownKeys } from "./discovery.js";
import { decrypt } from "./jwe.js";
import { ALGORITHMS, SIGNING, generate, readKeys } from "./keys.js";
import { linkFor, takeFromAddress } from "./link.js";
import { KeyProblem } from "./refusal.js";
import { sample } from "./sample.js";
import { sign } from "./sign.js";
import { verdict } from "./verdict.js";

const $ = (id) => document.getElementById(id);
const INKS = { header: "part-header", payload: "part-payload", signature: "part-signature" };
const KINDS = { signed: "signed (JWS)", encrypted: "encrypted (JWE)", unknown: "not a whole token" };

let decoded = decode("");
let turn = 0;

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

const names = (text) => {
  const found = text.trim().split(/\s+/).filter(Boolean);
  return found.length > 0 ? found : null;
};
const clock = () => ($("now").value ? Date.parse(`${$("now").value}Z`) / 1000 : Date.now() / 1000);

function policy() {
  return {
    issuers: names($("issuer").value),
    audiences: names($("audience").value),
    type: $("type").value,
    leeway: Math.max(0, Number($("leeway").value) || 0),
    maxAge: $("max-age").value === "" ? null : Math.max(0, Number($("max-age").value)),
    required: names($("required").value) ?? [],
    now: clock(),
  };
}

// A key that leaves its algorithm open is bound to the one chosen, else to the header's: fit for
// looking at a token, never for a service.
async function readGivenKeys() {
  const form = $("form").value;
  const chosen = $("alg").value || null;
  const said = decoded.header?.value.alg;
  const guess = typeof said === "string" && Object.hasOwn(ALGORITHMS, said) ? said : null;
  if (chosen) return readKeys($("key").value, { alg: chosen, form });
  try {
    return await readKeys($("key").value, { alg: guess, form });
  } catch (problem) {
    if (guess === null) throw problem;
    return readKeys($("key").value, { form });
  }
}

function sayOfKey(text, bad = false) {
  $("key-said").textContent = text;
  $("key-said").classList.toggle("bad", bad);
}

async function keysNow() {
  if (!crypto.subtle) {
    sayOfKey("The browser offers its cryptography only to pages opened over https, or on this machine.", true);
    return [];
  }
  if (decoded.kind === "encrypted") {
    const given = $("key").value.trim() !== "";
    sayOfKey(given ? "“Decrypt” opens the token with this key." : "To open the token, give a private key or a secret as a JWK.");
    return [];
  }
  try {
    const { keys, skipped } = await readGivenKeys();
    const told = keys.map((key) =>
      [key.alg, key.signing && "can sign", key.kid && `kid ${key.kid}`].filter(Boolean).join(", "),
    );
    const count = keys.length > 1 ? `${keys.length} keys: ` : "";
    const useless = keys.length === 0 && skipped.length > 0;
    sayOfKey([count + told.join("; "), ...skipped].filter(Boolean).join(" "), useless);
    return keys;
  } catch (problem) {
    if (!(problem instanceof KeyProblem)) throw problem;
    sayOfKey(problem.message, true);
    return [];
  }
}

function showParts() {
  $("kind").hidden = decoded.kind === "empty";
  $("kind").textContent = KINDS[decoded.kind] ?? "";
  $("parts").hidden = decoded.parts.length === 0;
  $("parts").replaceChildren(
    ...decoded.parts.map(({ name, text }) => {
      const part = element("div", undefined, `part ${INKS[name] ?? ""}`);
      part.append(element("b", name), element("code", text || "(empty)"));
      return part;
    }),
  );
  $("problems").hidden = decoded.problems.length === 0;
  $("problems").querySelector("ul").replaceChildren(...decoded.problems.map((text) => element("li", text)));
  $("about").hidden = decoded.about.length === 0;
  $("about").replaceChildren(...decoded.about.map((text) => element("li", text)));
  $("decrypt").hidden = decoded.kind !== "encrypted";
}

function showEditors(except) {
  for (const name of ["header", "payload"]) {
    if (name !== except) $(name).value = decoded[name]?.shown ?? "";
  }
}

function showClaims() {
  const rows = [];
  const now = clock();
  for (const [part, ink] of [["header", "part-header"], ["payload", "part-payload"]]) {
    for (const [name, value] of Object.entries(decoded[part]?.value ?? {})) {
      const row = element("tr");
      const title = element("th", undefined);
      title.scope = "row";
      title.append(element("code", name, ink), element("span", ` (${part})`, "visually-hidden"));
      const cell = element("td");
      cell.append(element("code", typeof value === "string" ? value : JSON.stringify(value)));
      if (DATES.has(name)) {
        const date = dateOf(value, now);
        cell.append(element("span", date.problem ?? `${date.absolute} · ${date.relative}`, "date"));
      }
      row.append(title, cell, element("td", MEANINGS[name] ?? "", "faint"));
      rows.push(row);
    }
  }
  $("claims-section").hidden = rows.length === 0;
  $("claims").replaceChildren(...rows);
}

function showVerdict(result) {
  if (result === null) {
    $("verdict").replaceChildren(element("p", "Paste a token, and the verdict stands here.", "empty"));
    return;
  }
  const { accepted, code, claim, expected, message, change } = result;
  const stamps = { true: ["Accepted", "accepted"], false: ["Refused", "refused"], null: ["Can't tell", "untold"] };
  const [word, look] = stamps[accepted];
  const facts = element("dl", undefined, "facts");
  const fact = (name, text, mono) => {
    if (!text) return;
    const told = element("dd");
    told.append(mono ? element("code", text) : text);
    facts.append(element("dt", name), told);
  };
  fact("Why", message);
  fact("Code", code, true);
  fact("Where", claim, true);
  fact("Expected", expected);
  fact("To change", change);
  $("verdict").replaceChildren(element("p", word, `stamp ${look}`), facts);
}

async function judge() {
  turn += 1;
  const mine = turn;
  const keys = await keysNow();
  const result = decoded.kind === "empty" ? null : await verdict(decoded.token, keys, policy());
  // A later keystroke has asked again meanwhile: its answer counts.
  if (mine !== turn) return;
  const sealed = "Decrypt it: a service with the decryption key then judges the signed token inside.";
  showVerdict(decoded.kind === "encrypted" ? { ...result, change: sealed } : result);
}

function show(except) {
  showParts();
  showEditors(except);
  showClaims();
  return judge();
}

function read() {
  decoded = decode($("token").value);
  $("link-box").hidden = true;
  return show();
}

function edited(name) {
  const base = decoded.kind === "signed" ? decoded.token : "..";
  $("token").value = withParts(base, $("header").value, $("payload").value);
  decoded = decode($("token").value);
  return show(name);
}

async function signAgain() {
  const keys = await keysNow();
  const key = keys.find((one) => one.signing) ?? keys[0];
  if (!key) {
    if ($("key").value.trim() === "") sayOfKey("Give a private key or a secret, or generate one.", true);
    return;
  }
  try {
    $("token").value = await sign(packed(withAlg($("header").value, key)), packed($("payload").value), key);
    await read();
  } catch (problem) {
    if (!(problem instanceof KeyProblem)) throw problem;
    sayOfKey(problem.message, true);
  }
}

// What is signed names the key's own algorithm, unless the header is broken on purpose.
function withAlg(text, key) {
  try {
    const header = text.trim() === "" ? { typ: "JWT" } : JSON.parse(text);
    if (key.accepts.includes(header.alg)) return text;
    return JSON.stringify({ ...header, alg: key.alg, ...(key.kid ? { kid: key.kid } : {}) });
  } catch {
    return text;
  }
}

async function generateKey() {
  const said = decoded.header?.value.alg;
  const alg = $("alg").value || (SIGNING.includes(said) ? said : "ES256");
  try {
    const secret = await generate(alg);
    $("key").value = JSON.stringify(secret, null, 2);
    await judge();
  } catch {
    sayOfKey(`This browser can't make a key for ${alg}.`, true);
  }
}

async function decryptToken() {
  try {
    $("token").value = await decrypt(decoded.token, $("key").value);
    await read();
  } catch (problem) {
    sayOfKey(problem instanceof KeyProblem ? problem.message : "It is too broken to be decrypted.", true);
  }
}

function askForLink() {
  const box = $("link-box");
  box.hidden = decoded.kind === "empty";
  if (box.hidden) return;
  const { exp } = decoded.payload?.value ?? {};
  const live = typeof exp !== "number" || exp > Date.now() / 1000;
  $("link-warning").textContent =
    live && decoded.kind !== "unknown"
      ? "This token may still be valid: whoever gets the link can use it as you. Links stay in histories and chats. Let it expire first, or sign a changed one with a key that is for trying."
      : "The link holds the whole token after the “#”. It is not sent to the server, but stays wherever the link is pasted.";
  $("link-out").hidden = true;
  $("link-make").focus();
}

function makeLink() {
  $("link-text").value = linkFor(decoded.token);
  $("link-out").hidden = false;
  $("link-text").focus();
  $("link-text").select();
}

async function findKeys() {
  const found = metadataOf($("find").value.trim());
  if (found === null) {
    $("found").replaceChildren(element("p", "An issuer is an address that begins with https://.", "error"));
    return;
  }
  if (found.own) {
    try {
      const { text } = await ownKeys(found.addresses);
      if (text !== null) {
        $("key").value = text;
        $("found").replaceChildren(element("p", "The keys of this server stand above."));
        await judge();
        return;
      }
    } catch {
      // The addresses are shown below, as for any other issuer.
    }
  }
  const list = element("ul");
  for (const address of found.addresses) {
    const link = element("a", address, "mono");
    link.href = address;
    link.target = "_blank";
    link.rel = "noopener noreferrer";
    const item = element("li");
    item.append(link);
    list.append(item);
  }
  const steps = "Open one of these, then the address that it gives as “jwks_uri”, and paste the key set above:";
  $("found").replaceChildren(element("p", steps), list);
}

async function showSample() {
  if (!crypto.subtle) return;
  const made = await sample(Math.floor(Date.now() / 1000));
  $("token").value = made.token;
  $("key").value = made.key;
  $("issuer").value = made.issuer;
  $("audience").value = made.audience;
  $("type").value = made.type;
  for (const id of ["alg", "required", "max-age", "now"]) $(id).value = "";
  await read();
}

function clear() {
  for (const id of ["token", "key", "header", "payload"]) $(id).value = "";
  $("token").focus();
  return read();
}

$("alg").append(...SIGNING.map((alg) => new Option(alg, alg)));
$("token").addEventListener("input", read);
for (const name of ["header", "payload"]) $(name).addEventListener("input", () => edited(name));
for (const id of ["key", "alg", "form", "issuer", "audience", "type", "required", "leeway", "max-age"]) {
  $(id).addEventListener("input", judge);
}
$("now").addEventListener("input", () => show());
for (const [id, action] of Object.entries({
  sample: showSample, clear, link: askForLink, "link-make": makeLink,
  sign: signAgain, generate: generateKey, decrypt: decryptToken, "find-keys": findKeys,
})) {
  $(id).addEventListener("click", action);
}
addEventListener("hashchange", open);
open();

function open() {
  const token = takeFromAddress();
  if (token !== null) $("token").value = token;
  read();
}
