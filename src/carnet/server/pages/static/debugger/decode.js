// Decoding whatever was pasted, as far as it goes; each problem is told in words.

import { decodeLoosely, encode } from "./base64url.js";
import { compact, isObject, parseObject, pretty, textOf } from "./json.js";
import { ALGORITHMS } from "./keys.js";
import { describeEncryption } from "./jwe.js";

const NAMES = {
  3: ["header", "payload", "signature"],
  5: ["header", "encrypted key", "initialization vector", "ciphertext", "tag"],
};

// Take off what pasting brings along: a Bearer prefix, quotes, white space, a JSON serialization.
function unwrap(text, problems) {
  let token = text.trim();
  const prefix = /^(?:authorization\s*:\s*)?bearer\s+/i.exec(token);
  if (prefix) {
    token = token.slice(prefix[0].length);
    problems.push(`It was pasted with “${prefix[0].trim()}” before it; that is not part of the token.`);
  }
  const bare = token.replace(/^["'`]|["'`][,;]?$/g, "").trim();
  if (bare !== token) {
    token = bare;
    problems.push("It was pasted in quotes; they are not part of the token.");
  }
  if (token.startsWith("{")) return fromJson(token, problems);
  const packed = token.replace(/\s+/g, "");
  if (packed !== token) problems.push("It has white space or line breaks inside; a token is one unbroken line.");
  return packed;
}

function fromJson(text, problems) {
  let document;
  try {
    document = parseObject(text).value;
  } catch (problem) {
    problems.push(`It begins like JSON, but ${problem.message}.`);
    return text;
  }
  for (const name of ["access_token", "id_token", "token"]) {
    if (typeof document[name] === "string") {
      problems.push(`This is a JSON answer; its “${name}” is shown.`);
      return document[name];
    }
  }
  const list = document.signatures ?? document.recipients;
  const entry = Array.isArray(list) && isObject(list[0]) ? { ...document, ...list[0] } : document;
  if (Array.isArray(list) && list.length > 1) {
    problems.push(`It has ${list.length} signatures or recipients; the first is shown.`);
  }
  const part = (name) => (typeof entry[name] === "string" ? entry[name] : "");
  if (entry.header) problems.push("It has header parameters beside the protected ones; no signature covers them.");
  if ("payload" in document) {
    problems.push("This is a JWS in JSON form (RFC 7515 section 7.2). A JWT is always in the compact form, which is shown.");
    return ["protected", "payload", "signature"].map(part).join(".");
  }
  if ("ciphertext" in document) {
    problems.push("This is a JWE in JSON form (RFC 7516 section 7.2). A JWT is always in the compact form, which is shown.");
    return ["protected", "encrypted_key", "iv", "ciphertext", "tag"].map(part).join(".");
  }
  if ("kty" in document || "keys" in document) {
    problems.push("This is a key, not a token. It belongs into the field for keys; if it is a private one, take care whom you show it.");
    return "";
  }
  problems.push("This is JSON, but no token: the claims alone prove nothing. To sign them, paste them into the payload.");
  return "";
}

function readObject(part, what, problems) {
  const { bytes, problems: found } = decodeLoosely(part, `The ${what}`);
  problems.push(...found);
  let text;
  try {
    text = textOf(bytes);
  } catch {
    problems.push(`The ${what} is not UTF-8 text; what can't be read is shown as “\ufffd”.`);
    text = new TextDecoder().decode(bytes);
  }
  try {
    const { value } = parseObject(text);
    return { text, value, shown: pretty(text), ok: true };
  } catch (problem) {
    problems.push(`The ${what} is not strict JSON: ${problem.message}.`);
    return { text, value: salvaged(text), shown: text, ok: false };
  }
}

// The members that can be read although the whole is broken: for looking only.
function salvaged(text) {
  try {
    const value = JSON.parse(text.replace(/^\ufeff/, ""));
    return isObject(value) ? value : {};
  } catch {
    const found = {};
    for (const [, name, value] of text.matchAll(/"([^"\\]+)"\s*:\s*("(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?|true|false|null)/g)) {
      try {
        found[name] ??= JSON.parse(value);
      } catch {
        // One broken member more; the others are shown.
      }
    }
    return found;
  }
}

function lookAtHeader(header, kind, problems) {
  const { alg } = header;
  if (alg === undefined) problems.push("The header names no “alg”.");
  else if (typeof alg === "string" && alg.toLowerCase() === "none") {
    problems.push("The header's “alg” is “none”: the token is not signed, and anybody can have written it.");
  } else if (kind === "signed" && (typeof alg !== "string" || !Object.hasOwn(ALGORITHMS, alg))) {
    problems.push(`The header's “alg” (${JSON.stringify(alg)}) is no signature algorithm known here.`);
  }
  const brought = ["jwk", "jku", "x5c", "x5u"].filter((name) => name in header);
  if (brought.length > 0) {
    problems.push(`The token brings a key along (${brought.join(", ")}). It is never used: who forges a token brings a key that fits.`);
  }
}

// Give `{token, kind, parts, header, payload, signature, problems, about}`. `kind` is "empty",
// "signed", "encrypted" or "unknown"; each part is `{name, text}` as it stands in the token.
export function decode(text) {
  const problems = [];
  const token = unwrap(text, problems);
  const unread = { token, header: null, payload: null, problems, about: [] };
  if (token === "") return { ...unread, kind: "empty", parts: [] };
  const texts = token.split(".");
  const encrypted = texts.length === 5 || (texts.length === 4 && !texts[1]);
  const kind = { 3: "signed", 5: "encrypted" }[texts.length] ?? "unknown";
  const names = NAMES[encrypted ? 5 : 3];
  const parts = texts.map((part, place) => ({ name: names[place] ?? "surplus", text: part }));
  if (texts.length === 1 && !token.startsWith("ey")) {
    problems.push("There is no dot in it, and it doesn't begin like a token. It may be an opaque token (a refresh token, an API key): only its issuer can read it.");
    return { ...unread, kind, parts: [{ name: "text", text: token }] };
  }
  if (kind === "unknown") {
    problems.push(`It has ${texts.length === 1 ? "one part" : `${texts.length} parts`}; a signed token has three (header.payload.signature), an encrypted one five.`);
  }
  const header = readObject(texts[0], "header", problems);
  lookAtHeader(header.value, kind, problems);
  if (encrypted) {
    for (const { name, text: part } of parts.slice(1)) {
      problems.push(...decodeLoosely(part, `The ${name}`).problems);
    }
    return { ...unread, kind, parts, header, about: describeEncryption(header.value) };
  }
  const payload = texts.length > 1 ? readObject(texts[1], "payload", problems) : null;
  if (texts.length > 2) {
    if (texts[2] === "") problems.push("The signature is empty: nothing proves who wrote this.");
    else problems.push(...decodeLoosely(texts[2], "The signature").problems);
  }
  return { ...unread, kind, parts, header, payload };
}

// Put edited texts in place of a token's parts; the signature stays, and so holds no longer.
export function withParts(token, header, payload) {
  const rest = token.split(".").slice(2);
  return [segment(header), segment(payload), ...(rest.length ? rest : [""])].join(".");
}

export const packed = (text) => {
  try {
    parseObject(text);
    return compact(text);
  } catch {
    return text;
  }
};

const segment = (text) => encode(new TextEncoder().encode(packed(text)));
