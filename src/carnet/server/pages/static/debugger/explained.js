// The live tokens of "JSON Web Tokens explained": made, changed and judged in this browser, by the
// debugger's own modules.

import { decode, packed, withParts } from "./decode.js";
import { element } from "./dom.js";
import { generate, readKeys } from "./keys.js";
import { sign } from "./sign.js";
import { verdict } from "./verdict.js";

const ISSUER = "https://auth.example.com";
const SERVICES = ["orders", "billing", "newsletter"];
const seconds = () => Date.now() / 1000;

const secret = globalThis.crypto?.subtle ? await generate("ES256") : null;
const keys = secret ? (await readKeys(JSON.stringify(secret))).keys : [];

const issue = (claims, lifetime = 300) => {
  const now = Math.floor(seconds());
  const payload = { iss: ISSUER, sub: "alice", aud: "orders", iat: now, exp: now + lifetime, ...claims };
  return sign(JSON.stringify({ alg: "ES256", kid: secret.kid }), JSON.stringify(payload), keys[0]);
};

const judge = (token, audience) =>
  verdict(token, keys, { issuers: [ISSUER], audiences: audience ? [audience] : null, now: seconds() });

function button(text, action) {
  const made = element("button", text, "quiet small");
  made.type = "button";
  made.addEventListener("click", action);
  return made;
}

const row = (...parts) => {
  const made = element("div", undefined, "row");
  made.append(...parts);
  return made;
};

function inked(token) {
  const made = element("div", undefined, "token");
  made.append(...token.split(".").flatMap((part, place) => [
    ...(place ? ["."] : []), element("span", part, ["part-header", "part-payload", "part-signature"][place]),
  ]));
  return made;
}

// A line that says how a verdict is, for all readers.
function tell(line, { accepted, message }, good = "Accepted: every check holds.") {
  const text = accepted ? good : `Refused: ${message}.`;
  if (line.textContent !== text) line.textContent = text;
  line.classList.toggle("good", accepted === true);
  line.classList.toggle("bad", accepted !== true);
}

function line() {
  const made = element("p", "", "told");
  made.setAttribute("role", "status");
  return made;
}

async function parts(box) {
  const label = element("label", "Payload (change it)", "part-payload");
  const field = element("textarea", undefined, "mono");
  field.id = label.htmlFor = "live-payload";
  field.spellcheck = false;
  const shown = element("div");
  const told = line();
  let token = await issue({ role: "reader" });
  const show = async () => {
    shown.replaceChildren(inked(token));
    tell(told, await judge(token), "Accepted: the signature belongs to this header and payload.");
  };
  field.value = decode(token).payload.shown;
  field.addEventListener("input", () => {
    token = withParts(token, decode(token).header.text, field.value);
    return show();
  });
  const again = button("Sign again, as the issuer could", async () => {
    token = await sign(decode(token).header.text, packed(field.value), keys[0]);
    return show();
  });
  box.append(label, field, shown, told, row(again));
  return show();
}

async function audience(box) {
  const label = element("label", "The token is for");
  const choice = element("select");
  choice.id = label.htmlFor = "live-audience";
  choice.append(...SERVICES.map((name) => new Option(name, name)));
  const services = listOf(SERVICES);
  const shown = element("div");
  const show = async () => {
    const token = await issue({ aud: choice.value });
    shown.replaceChildren(inked(token));
    for (const name of SERVICES) tell(services.told[name], await judge(token, name));
  };
  choice.addEventListener("input", show);
  box.append(label, choice, shown, services.list);
  return show();
}

function listOf(names) {
  const list = element("ul");
  const told = Object.fromEntries(names.map((name) => {
    const item = element("li");
    const said = element("span");
    said.setAttribute("role", "status");
    item.append(element("b", name), said);
    list.append(item);
    return [name, said];
  }));
  return { list, told };
}

async function lifetime(box) {
  const told = line();
  const left = element("p", "");
  const shown = element("div");
  let token = "";
  const renew = async () => {
    token = await issue({}, 15);
    shown.replaceChildren(inked(token));
    return show();
  };
  const show = async () => {
    const rest = Math.max(0, Math.ceil(decode(token).payload.value.exp - seconds()));
    left.textContent = rest > 0 ? `It lives for ${rest} more ${rest === 1 ? "second" : "seconds"}.` : "Its time is over.";
    tell(told, await judge(token));
  };
  box.append(shown, told, left, row(button("Get a new token", renew)));
  await renew();
  setInterval(show, 1000);
}

async function revocation(box) {
  const services = listOf(SERVICES);
  const heard = element("pre", "(no session has ended yet)", "token");
  const shown = element("div");
  const ended = new Set();
  let session = 0;
  let token = "";
  const show = async () => {
    for (const name of SERVICES) {
      const result = await judge(token);
      const over = result.accepted && ended.has(decode(token).payload.value.sid);
      tell(services.told[name], over ? { accepted: false, message: "its session has ended" } : result);
    }
  };
  const begin = async () => {
    session += 1;
    token = await issue({ aud: SERVICES, sid: `session-${session}` });
    shown.replaceChildren(inked(token));
    return show();
  };
  const end = () => {
    const sid = `session-${session}`;
    if (ended.has(sid)) return;
    ended.add(sid);
    heard.textContent = [...ended].map((one, at) => `id: ${at + 1}  data: {"ended":"${one}"}`).join("\n");
    return show();
  };
  const title = element("p", "What the services have heard:");
  box.append(shown, services.list, row(button("End the session", end), button("Sign in again", begin)), title, heard);
  return begin();
}

// The stream of the server that this page comes from: the site has none. It is listened to only when
// asked for, because each listener takes one of the places for streams.
function stream(box) {
  const address = document.getElementById("own-stream")?.dataset.address;
  if (!address) return;
  const told = line();
  const list = element("ol");
  let source = null;
  const hear = ({ type, data }) => {
    const { seq, entries } = decode(data).payload.value;
    const heard = `Listening. The list has come to number ${seq}.`;
    if (told.textContent !== heard) told.textContent = heard;
    const time = new Date().toLocaleTimeString();
    list.prepend(element("li", `${time} ${type}: ${entries.length === 0 ? "nothing new" : JSON.stringify(entries)}`));
    while (list.children.length > 5) list.lastChild.remove();
  };
  const toggle = button("Listen to this server", () => {
    if (source) {
      source.close();
      source = null;
      told.textContent = "Not listening any more.";
    } else {
      source = new EventSource(address);
      for (const type of ["snapshot", "increment", "heartbeat"]) source.addEventListener(type, hear);
      source.addEventListener("error", () => (told.textContent = "The stream was cut; the browser tries again."));
    }
    toggle.textContent = source ? "Stop listening" : "Listen to this server";
  });
  box.append(row(toggle), told, list);
}

const LIVE = { parts, audience, lifetime, revocation, stream };
if (secret) for (const box of document.querySelectorAll(".live")) await LIVE[box.dataset.live](box);
