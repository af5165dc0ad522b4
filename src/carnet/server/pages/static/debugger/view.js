// The page: what is typed goes through decode, keys and verdict, and what comes out is shown.
// Nothing here speaks to a server but what fetches this server's own keys.

import { copies, kindOfKey } from "./copies.js";
import { decode, packed, withParts } from "./decode.js";
import { showDiff } from "./diff.js";
import { metadataOf, ownKeys } from "./discovery.js";
import { $, element, outward } from "./dom.js";
import { example } from "./examples.js";
import { showInk } from "./ink.js";
import { decrypt } from "./jwe.js";
import { isOwnIssuer, keysNow, sayOfKey } from "./key_panel.js";
import { SIGNING, generate } from "./keys.js";
import { linkFor, takeFromAddress } from "./link.js";
import { KeyProblem } from "./refusal.js";
import { showClaims } from "./show_claims.js";
import { showVerdict } from "./show_verdict.js";
import { sign } from "./sign.js";
import "./tabs.js";
import { moments, showTimeline } from "./timeline.js";
import { verdict } from "./verdict.js";

const KINDS = { signed: "signed (JWS)", encrypted: "encrypted (JWE)", unknown: "not a whole token" };
const NEEDS_OPEN = new Set(["issuer_mismatch", "audience_mismatch", "type_mismatch", "too_old"]);

let decoded = decode("");
let turn = 0;
let came = "";
let seen = Date.now() / 1000;

const names = (text) => {
  const found = text.trim().split(/\s+/).filter(Boolean);
  return found.length > 0 ? found : null;
};
const clock = () => ($("now").value ? Date.parse(`${$("now").value}Z`) / 1000 : Date.now() / 1000);

// The type to judge by: the one chosen, else what the token says that it is.
function type() {
  if ($("type").value) return $("type").value;
  const { typ } = decoded.header?.value ?? {};
  return typeof typ === "string" ? typ : "JWT";
}

function policy() {
  return {
    issuers: names($("issuer").value),
    audiences: names($("audience").value),
    type: type(),
    leeway: Math.max(0, Number($("leeway").value) || 0),
    maxAge: $("max-age").value === "" ? null : Math.max(0, Number($("max-age").value)),
    required: names($("required").value) ?? [],
    now: clock(),
  };
}

function list(id, texts) {
  $(id).hidden = texts.length === 0;
  const into = $(id).querySelector("ul") ?? $(id);
  into.replaceChildren(...texts.map((text) => element("li", text)));
}

function showForm() {
  $("kind").hidden = decoded.kind === "empty";
  $("kind").textContent = KINDS[decoded.kind] ?? "";
  list("problems", decoded.problems);
  list("about", came && came === decoded.token
    ? [...decoded.about, "This token came in a link. Whoever has the link, or your browser's history, has the token."]
    : decoded.about);
  $("decrypt").hidden = decoded.kind !== "encrypted";
  $("sign").hidden = $("generate").hidden = decoded.kind === "encrypted";
}

function showEditors(except) {
  for (const name of ["header", "payload"]) {
    if (name !== except) $(name).value = decoded[name]?.shown ?? "";
  }
}

function showExpected({ issuers, audiences, type: wanted }) {
  const said = (found, any) => (found === null ? any : found.join(" or "));
  $("expected").textContent = `${said(issuers, "any issuer")}, ${said(audiences, "any audience")}, ${wanted}`;
}

// The same policy, but for a service: the issuer and the audience are named.
function showCopies(asked, key) {
  const { iss, aud } = decoded.payload?.value ?? {};
  const texts = copies({
    policy: {
      ...asked,
      issuers: asked.issuers ?? (typeof iss === "string" ? [iss] : null),
      audiences: asked.audiences ?? names([aud ?? []].flat().filter((name) => typeof name === "string").join(" ")),
    },
    alg: key?.alg ?? "ES256",
    kind: kindOfKey($("key").value),
    isOwn: isOwnIssuer(iss),
  });
  for (const [name, text] of Object.entries(texts)) $(`copy-${name}`).textContent = text;
  $("copies").hidden = decoded.kind !== "signed";
}

async function judge() {
  turn += 1;
  const mine = turn;
  const asked = policy();
  const keys = await keysNow(decoded);
  const result = decoded.kind === "empty" ? null : await verdict(decoded.token, keys, asked);
  // A later keystroke has asked again meanwhile: its answer counts.
  if (mine !== turn) return;
  showVerdict(result && { ...result, kind: decoded.kind, type: asked.type, hasKey: keys.length > 0 || (decoded.kind === "encrypted" && kindOfKey($("key").value) !== null) });
  showTimeline(decoded.payload?.value, asked.now);
  showExpected(asked);
  showCopies(asked, keys.find((key) => key.accepts.includes(decoded.header?.value.alg)) ?? keys[0]);
  if (NEEDS_OPEN.has(result?.code)) $("expects").open = true;
}

function show(except) {
  showForm();
  showEditors(except);
  showInk(decoded);
  showClaims(decoded, clock());
  showDiff(decoded);
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
  const keys = await keysNow(decoded);
  const key = keys.find((one) => one.signing) ?? keys[0];
  if (!key || $("key").value.trim() === "") {
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
  if (isOwnIssuer($("find").value.trim())) {
    const text = await ownKeys($("desk").dataset.keys);
    if (text !== "") {
      $("key").value = text;
      $("found").replaceChildren(element("p", "The keys of this server are above."));
      await judge();
      return;
    }
  }
  const addresses = element("ul");
  for (const address of found.addresses) {
    const item = element("li");
    item.append(outward(address));
    addresses.append(item);
  }
  const steps = "Open one of these, then the address that it gives as “jwks_uri”, and paste the key set above:";
  $("found").replaceChildren(element("p", steps), addresses);
}

async function loadExample() {
  if (!globalThis.crypto?.subtle) return judge();
  const made = await example($("examples").value, Math.floor(Date.now() / 1000));
  for (const [id, value] of Object.entries(made)) $(id).value = value;
  for (const id of ["alg", "type", "required", "max-age", "now"]) $(id).value = "";
  return read();
}

function clear() {
  for (const id of ["token", "key", "header", "payload"]) $(id).value = "";
  $("token").focus();
  return read();
}

async function copy(event) {
  const from = $(event.currentTarget.dataset.copies);
  getSelection().selectAllChildren(from);
  const done = await navigator.clipboard?.writeText(from.textContent).then(() => true, () => false);
  $("copied").textContent = done ? "Copied." : "The text is selected: copy it with your keyboard.";
}

function compareWithThis() {
  $("other").value = decoded.token;
  showDiff(decoded);
}

$("alg").append(...SIGNING.map((alg) => new Option(alg, alg)));
$("token").addEventListener("input", read);
$("other").addEventListener("input", () => showDiff(decoded));
for (const name of ["header", "payload"]) $(name).addEventListener("input", () => edited(name));
for (const id of ["key", "alg", "form", "issuer", "audience", "type", "required", "leeway", "max-age"]) {
  $(id).addEventListener("input", judge);
}
$("now").addEventListener("input", () => show());
for (const [id, action] of Object.entries({
  load: loadExample, clear, link: askForLink, "link-make": makeLink, keep: compareWithThis,
  sign: signAgain, generate: generateKey, decrypt: decryptToken, "find-keys": findKeys,
})) {
  $(id).addEventListener("click", action);
}
for (const button of document.querySelectorAll("[data-copies]")) button.addEventListener("click", copy);
addEventListener("hashchange", open);
open();

// Time goes on while the page is open: the timeline moves, and a token expires when it does.
setInterval(() => {
  if (document.hidden || $("now").value !== "") return;
  const [before, now] = [seen, clock()];
  seen = now;
  const claims = decoded.payload?.value;
  showTimeline(claims, now);
  if (moments(claims, now).some(([name, moment]) => name !== "now" && moment > before && moment <= now)) judge();
}, 1000);

function open() {
  const token = takeFromAddress();
  if (token !== null) {
    $("token").value = token;
    came = decode(token).token;
  }
  read();
}
