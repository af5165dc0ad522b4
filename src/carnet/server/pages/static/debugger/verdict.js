// The verdict: would a service with these keys and this policy accept the token? The same checks,
// in the same order and with the same codes, as carnet's Verifier.

import { adviceFor } from "./advice.js";
import { decodeStrict } from "./base64url.js";
import { decodeObject } from "./json.js";
import { checkClaims, mediaType } from "./policy.js";
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

// Give `{accepted, code, claim, expected, message, change}`; `accepted` is null where this browser
// can't tell, because it has no such algorithm.
export async function verdict(token, keys, policy) {
  try {
    return await judge(token, keys, { ...DEFAULTS, ...policy });
  } catch (refusal) {
    if (!(refusal instanceof Refusal)) throw refusal;
    const { code, claim, expected, message } = refusal;
    return { accepted: false, code, claim, expected, message, change: adviceFor(refusal) };
  }
}

async function judge(token, keys, policy) {
  if ([...token].length > MAX_TOKEN) {
    throw new Refusal("the token is too large", {
      code: "too_large", expected: `at most ${MAX_TOKEN} characters`,
    });
  }
  const [head, body, signature] = segments(token);
  const header = readHeader(head);
  checkCrit(header);
  if ("b64" in header && header.b64 !== true) {
    throw invalid("b64", "no 'b64': a JWT's payload is always encoded (RFC 7797 section 7)");
  }
  checkType(header, policy.type);
  const found = candidates(keys, header);
  const able = found.filter((key) => key.verifying);
  if (!(await anyHolds(able, `${head}.${body}`, signature))) {
    if (able.length < found.length) return untold(found.find((key) => !key.verifying));
    throw new Refusal("the signature does not belong to this header, payload and key", {
      code: "signature_invalid", expected: "a signature by a key of the set",
    });
  }
  const claims = decodeObject(decodeStrict(body, "the payload"), "the payload");
  checkClaims(claims, policy);
  return { accepted: true, code: null, claim: null, expected: null, message: "every check holds", change: "" };
}

const untold = (key) => ({
  accepted: null,
  code: null,
  claim: "alg",
  expected: null,
  message: `this browser has no ${key.alg}, so it can't check the signature`,
  change: "Check this token with “carnet inspect” or a Verifier in Python.",
});

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
