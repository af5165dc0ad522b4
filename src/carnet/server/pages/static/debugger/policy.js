// The checks of a claim set, in the order of carnet's Policy (RFC 7519, RFC 8725, RFC 9068).

import { Refusal } from "./refusal.js";

const LATEST = 253_402_300_799;
const ISSUED_AHEAD = 60;

const refused = (code, claim, expected, message) => new Refusal(message, { code, claim, expected });
const missing = (name) =>
  refused("claim_missing", name, `the claim '${name}'`, `the claim '${name}' is missing`);
const wrongType = (name, expected) =>
  refused("claim_invalid", name, expected, `the claim '${name}' is not ${expected}`);

const isTextList = (value) => Array.isArray(value) && value.every((item) => typeof item === "string");
const anyOf = (names) => [...new Set(names)].sort().join(" or ");

function number(claims, name) {
  if (!(name in claims)) throw missing(name);
  const value = claims[name];
  if (typeof value !== "number" || !(value >= 0 && value <= LATEST)) {
    throw wrongType(name, "a number of seconds from 1970 to the year 9999");
  }
  return value;
}

function checkIssuer(claims, issuers) {
  const given = "iss" in claims;
  if (issuers === null && !given) return;
  if (!given) throw missing("iss");
  if (typeof claims.iss !== "string") throw wrongType("iss", "a text");
  if (issuers !== null && !issuers.includes(claims.iss)) {
    throw refused("issuer_mismatch", "iss", anyOf(issuers), "the token is from another issuer");
  }
}

function checkAudience(claims, audiences) {
  if (!("aud" in claims)) {
    if (audiences !== null) throw missing("aud");
    return;
  }
  const given = Array.isArray(claims.aud) ? claims.aud : [claims.aud];
  if (given.length === 0 || !isTextList(given)) throw wrongType("aud", "a text or a list of texts");
  if (audiences !== null && !given.some((name) => audiences.includes(name))) {
    throw refused("audience_mismatch", "aud", anyOf(audiences), "the token is for another audience");
  }
}

function checkDates(claims, { leeway, maxAge, now }) {
  if (now >= number(claims, "exp") + leeway) {
    throw refused("expired", "exp", "a token that has not expired", "the token has expired");
  }
  if ("iat" in claims || maxAge !== null) {
    const issued = number(claims, "iat");
    if (now < issued - Math.max(leeway, ISSUED_AHEAD)) {
      throw refused("not_yet_valid", "iat", "a time that has come", "the token was issued in the future");
    }
    if (maxAge !== null && now >= issued + maxAge + leeway) {
      throw refused("too_old", "iat", `at most ${maxAge} seconds ago`, "the token is too old");
    }
  }
  if ("nbf" in claims && now < number(claims, "nbf") - Math.max(leeway, ISSUED_AHEAD)) {
    throw refused("not_yet_valid", "nbf", "a time that has come", "the token is not valid yet");
  }
}

function checkAccessToken(claims, floats) {
  for (const name of ["client_id", "scope", "sid"]) {
    if (name in claims && typeof claims[name] !== "string") throw wrongType(name, "a text");
  }
  if ("sub_ver" in claims && (typeof claims.sub_ver !== "number" || floats.has("sub_ver"))) {
    throw wrongType("sub_ver", "an integer");
  }
  if ("roles" in claims && !isTextList(claims.roles)) throw wrongType("roles", "a list of texts");
}

function checkOthers(claims, policy, floats) {
  for (const name of ["sub", "jti"]) {
    if (name in claims && typeof claims[name] !== "string") throw wrongType(name, "a text");
  }
  for (const name of policy.required) {
    if ((claims[name] ?? null) === null) throw missing(name);
  }
  if (mediaType(policy.type) === "at+jwt") checkAccessToken(claims, floats);
}

const named = (value, wanted) => `${value ?? "not named"}${wanted === null ? " (any is accepted)" : ""}`;

// `[name, check]`, in a verifier's order; a check gets the claims, the policy, and the names of the
// members that are written as fractions. In the policy, `issuers` and `audiences` are lists, or null
// where any will do.
export const CLAIM_CHECKS = [
  ["Issuer", (claims, { issuers }) => {
    checkIssuer(claims, issuers);
    return named(claims.iss, issuers);
  }],
  ["Audience", (claims, { audiences }) => {
    checkAudience(claims, audiences);
    return named([claims.aud ?? []].flat().join(", ") || null, audiences);
  }],
  ["Time", (claims, policy) => {
    checkDates(claims, policy);
    return "it is valid at this moment";
  }],
  ["Claims", (claims, policy, floats) => {
    checkOthers(claims, policy, floats);
    return policy.required.length > 0 ? `${policy.required.join(", ")} there` : "each has its type";
  }],
];

export const mediaType = (value) => value.toLowerCase().replace(/^application\//, "");
