// Base64url: the one canonical form (RFC 7515 section 2), and a patient reader of all the others.

import { Refusal } from "./refusal.js";

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const VALUES = new Map([...ALPHABET].map((character, value) => [character, value]));

export function encode(bytes) {
  let text = "";
  for (let at = 0; at < bytes.length; at += 3) {
    const [a, b = 0, c = 0] = bytes.subarray(at, at + 3);
    const word = (a << 16) | (b << 8) | c;
    const count = Math.min(bytes.length - at, 3) + 1;
    for (let n = 0; n < count; n += 1) text += ALPHABET[(word >> (18 - 6 * n)) & 63];
  }
  return text;
}

export const encodeText = (text) => encode(new TextEncoder().encode(text));

// Decode what `decodeStrict` or `decodeLoosely` has found to be of the alphabet.
function bytesOf(text) {
  const bytes = new Uint8Array(Math.floor((text.length * 3) / 4));
  let word = 0;
  let bits = 0;
  let at = 0;
  for (const character of text) {
    word = ((word << 6) | VALUES.get(character)) & 0xffff;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      bytes[at] = (word >> bits) & 255;
      at += 1;
    }
  }
  return { bytes: bytes.subarray(0, at), rest: word & ((1 << bits) - 1) };
}

export function decodeStrict(text, what) {
  if (/^[A-Za-z0-9_-]*$/.test(text) && text.length % 4 !== 1) {
    const { bytes, rest } = bytesOf(text);
    if (rest === 0) return bytes;
  }
  throw new Refusal(`${what} is not base64url`, {
    code: "malformed",
    expected: "canonical unpadded base64url",
  });
}

// Decode as much as there is; say in words all that a verifier would refuse.
export function decodeLoosely(text, what) {
  const problems = [];
  let rest = text;
  const change = (pattern, by, problem) => {
    const changed = rest.replace(pattern, by);
    if (changed !== rest) problems.push(`${what} ${problem}`);
    rest = changed;
  };
  change(/\s+/g, "", "has white space inside: a token is one unbroken line.");
  change(/=+$/, "", "ends with “=”: base64url in a token has no padding.");
  change(/[+/]/g, (one) => (one === "+" ? "-" : "_"),
    "is ordinary base64 (“+” and “/”): a token uses “-” and “_” in their place.");
  const stranger = [...rest].find((character) => !VALUES.has(character));
  if (stranger !== undefined) {
    const place = text.indexOf(stranger) + 1;
    change(/[^A-Za-z0-9_-]+/g, "",
      `has the character “${stranger}” at place ${place}, which is not of the base64url alphabet.`);
  }
  if (rest.length % 4 === 1) {
    problems.push(`${what} has a length that base64url can't have: a character is missing or too many.`);
    rest = rest.slice(0, -1);
  }
  const { bytes, rest: unused } = bytesOf(rest);
  if (unused !== 0) {
    problems.push(
      `${what} has stray bits in its last character: the same bytes have another, canonical spelling.`,
    );
  }
  return { bytes, problems };
}
