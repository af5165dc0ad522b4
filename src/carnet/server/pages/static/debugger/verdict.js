// The verdict: would a service with these keys and this policy accept the token? The same checks,
// in the same order and with the same codes, as carnet's Verifier.

import { adviceFor } from "./advice.js";
import { decodeStrict } from "./base64url.js";
import { decodeObject } from "./json.js";
import { CLAIM_CHECKS, mediaType } from "./policy.js";
import { Refusal } from "./refusal.js";
import { holds } from "./verify.js";

const MAX_TOKEN = 64 * 1024;
const MAX_HEADER = 8 * 1024;
const MAX_KID = 256;
const MAX_CANDIDATES = 16;
const REGISTERED = new Set(
  ("alg enc zip jku jwk kid x5u x5c x5t x5t#S256 typ cty crit epk apu apv iv tag p2s p2c").split(" "),
);

const invalid = (name, expected) =>
  new Refusal(`the header's '${name}' is not acceptable: expected ${expected}`, {
    code: "header_invalid", claim: name, expected,
  });

export const DEFAULTS = {
  issuers: null, audiences: null, type: "JWT", leeway: 0, maxAge: null, required: [], now: 0,
};

// What a refusal for another reason is told after: an expired token is expired whatever else is
// wrong with it, unless its date can't be believed.
const BEFORE_EXPIRED = new Set(["malformed", "too_large", "signature_invalid"]);

class Untold extends Error {
  constructor(key) {
    super(`this browser has no ${key.alg}, so it can't check the signature`);
  }
}

// The checks in a verifier's order: `[name, what it needs, the check]`. A check adds to `state` what
// later ones need, throws a Refusal, or gives words on what it found.
const STEPS = [
  ["Form", [], (state) => {
    if ([...state.token].length > MAX_TOKEN) {
      throw new Refusal("the token is too large", {
        code: "too_large", expected: `at most ${MAX_TOKEN} characters`,
      });
    }
    state.parts = segments(state.token);
    return "three parts";
  }],
  ["Header", ["parts"], (state) => {
    const header = readHeader(state.parts[0]);
    state.header = header;
    checkCrit(header);
    if ("b64" in header && header.b64 !== true) {
      throw invalid("b64", "no 'b64': a JWT's payload is always encoded (RFC 7797 section 7)");
    }
    return header.kid === undefined ? header.alg : `${header.alg}, kid ${header.kid}`;
  }],
  ["Type", ["header"], ({ header, policy }) => {
    checkType(header, policy.type);
    return header.typ ?? "not named";
  }],
  ["Signature", ["header"], async ({ header, keys, parts: [head, body, signature] }) => {
    const found = candidates(keys, header);
    const able = found.filter((key) => key.verifying);
    if (!(await anyHolds(able, `${head}.${body}`, signature))) {
      if (able.length < found.length) throw new Untold(found.find((key) => !key.verifying));
      throw new Refusal("the signature does not belong to this header, payload and key", {
        code: "signature_invalid", expected: "a signature by a key of the set",
      });
    }
    return "belongs to this header and payload";
  }],
  ["Payload", ["parts"], (state) => {
    state.claims = decodeObject(decodeStrict(state.parts[1], "the payload"), "the payload");
    return "strict JSON";
  }],
  ...CLAIM_CHECKS.map(([name, check]) => [
    name, ["claims"], ({ claims, policy }) => check(claims.value, policy, claims.floats),
  ]),
];

// Give `{accepted, code, claim, expected, message, change, steps, expired}`: the first refusal, in a
// verifier's order. `accepted` is null where this browser can't tell, because it has no such
// algorithm; `steps` is every check as `{name, state, text}`, whose state is "good", "bad" or "open";
// `expired` is the refusal to tell first although another check comes before it, or null.
export async function verdict(token, keys, policy) {
  const state = { token, keys, policy: { ...DEFAULTS, ...policy } };
  const steps = [];
  let first = null;
  let expired = null;
  for (const [name, needs, check] of STEPS) {
    const step = { name, state: "open", text: "not checked" };
    steps.push(step);
    if (needs.some((part) => state[part] === undefined)) continue;
    try {
      Object.assign(step, { text: await check(state), state: "good" });
    } catch (problem) {
      if (!(problem instanceof Refusal || problem instanceof Untold)) throw problem;
      Object.assign(step, { text: problem.message, state: problem instanceof Untold ? "open" : "bad" });
      if (problem.code === "expired" && first !== null && !BEFORE_EXPIRED.has(first.code)) {
        expired = told(problem);
      }
      first ??= problem;
    }
  }
  return { ...told(first), steps, expired };
}

function told(problem) {
  if (problem === null) {
    return { accepted: true, code: null, claim: null, expected: null, message: "every check holds", change: "" };
  }
  const { message, code = null, claim = null, expected = null } = problem;
  if (problem instanceof Untold) {
    const change = "Check this token with “carnet verify”, or a Verifier in Python.";
    return { accepted: null, code, claim: "alg", expected, message, change };
  }
  return { accepted: false, code, claim, expected, message, change: adviceFor(problem) };
}

async function anyHolds(keys, data, signature) {
  for (const key of keys) if (await holds(key, data, signature)) return true;
  return false;
}

function segments(token) {
  const parts = token.split(".");
  if (parts.length !== 3 || !parts[0] || !parts[2]) {
    throw new Refusal("the token is not a compact JWS", {
      code: "malformed", expected: "three parts, header.payload.signature",
    });
  }
  return parts;
}

function readHeader(head) {
  if (new TextEncoder().encode(head).length > MAX_HEADER) {
    throw new Refusal("the header is too large", {
      code: "too_large", expected: `at most ${MAX_HEADER} characters`,
    });
  }
  const { value: header } = decodeObject(decodeStrict(head, "the header"), "the header");
  if (typeof header.alg !== "string") throw invalid("alg", "a text that names the algorithm");
  for (const name of ["kid", "typ", "cty", "enc", "zip"]) {
    if (name in header && typeof header[name] !== "string") throw invalid(name, "a text");
  }
  if ([...(header.kid ?? "")].length > MAX_KID) throw invalid("kid", `at most ${MAX_KID} characters`);
  return header;
}

function checkCrit(header) {
  if (!("crit" in header)) return;
  const names = header.crit;
  if (
    !Array.isArray(names) || names.length === 0 || new Set(names).size !== names.length ||
    names.some((name) => typeof name !== "string")
  ) {
    throw invalid("crit", "a list of different names, not empty");
  }
  for (const name of names) {
    if (REGISTERED.has(name) || !(name in header)) {
      throw invalid("crit", "only names of extensions that stand in this protected header");
    }
    throw new Refusal("the token needs an extension that is not supported", {
      code: "crit_unsupported", claim: "crit", expected: "no critical extension",
    });
  }
}

function checkType(header, type) {
  const wanted = mediaType(type);
  const accepted = "typ" in header ? mediaType(header.typ) === wanted : wanted === "jwt";
  if (!accepted) {
    throw new Refusal("the token is of another type", {
      code: "type_mismatch", claim: "typ", expected: wanted === "jwt" ? "JWT" : wanted,
    });
  }
}

// The algorithm comes from the key, never from the token; `kid` only narrows the choice.
function candidates(keys, { kid = null, alg }) {
  const named = kid === null ? keys
    : [...keys.filter((key) => key.kid === kid), ...keys.filter((key) => key.kid === null)];
  const found = named.filter((key) => key.accepts.includes(alg) && key.canVerify);
  if (found.length > 0) return found.slice(0, MAX_CANDIDATES);
  if (kid === null || keys.some((key) => key.kid === kid || key.kid === null)) {
    throw new Refusal("the header's 'alg' is not the algorithm of any key that could have signed", {
      code: keys.length > 0 ? "algorithm_mismatch" : "key_not_found",
      claim: "alg",
      expected: [...new Set(keys.map((key) => key.alg))].sort().join(", ") || "a key",
    });
  }
  throw new Refusal("no key of the set has the header's 'kid'", {
    code: "key_not_found", claim: "kid", expected: "the kid of a key of the set",
  });
}
