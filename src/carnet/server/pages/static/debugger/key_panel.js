// The field for the key: what it holds, in words, and the keys that are offered unasked.

import { metadataOf, ownKeys } from "./discovery.js";
import { $, element, outward } from "./dom.js";
import { ALGORITHMS, readKeys } from "./keys.js";
import { KeyProblem } from "./refusal.js";

const { issuer: OWN = "", keys: OWN_KEYS = "" } = $("desk").dataset;

export const isOwnIssuer = (issuer) => OWN !== "" && issuer === OWN;

export function sayOfKey(text, bad = false) {
  $("key-said").textContent = text;
  $("key-said").classList.toggle("bad", bad);
}

// A key that leaves its algorithm open is bound to the one chosen, else to the header's: fit for
// looking at a token, never for a service.
async function readGivenKeys(decoded) {
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

// The keys to judge with: those of the field, else this server's own for its own tokens.
export async function keysNow(decoded) {
  if (!globalThis.crypto?.subtle) {
    sayOfKey("The browser offers its cryptography only to pages opened over https, or on this machine.", true);
    return [];
  }
  const given = $("key").value.trim() !== "";
  const issuer = decoded.payload?.value.iss;
  if (decoded.kind === "encrypted") {
    offer(null);
    sayOfKey(given ? "“Decrypt” opens the token with this key." : "To open the token, give a private key or a secret as a JWK.");
    return [];
  }
  offer(given || isOwnIssuer(issuer) ? null : issuer);
  try {
    if (!given && isOwnIssuer(issuer)) return told(await readKeys(await ownKeys(OWN_KEYS)), "This server's keys: ");
    if (given && pointsElsewhere($("key").value)) return [];
    return told(await readGivenKeys(decoded), "");
  } catch (problem) {
    if (!(problem instanceof KeyProblem)) throw problem;
    sayOfKey(problem.message, true);
    return [];
  }
}

function told({ keys, skipped }, whose) {
  const names = keys.map((key) =>
    [key.alg, key.signing && "can sign", key.kid && `kid ${key.kid}`].filter(Boolean).join(", "),
  );
  const count = whose === "" && keys.length > 1 ? `${keys.length} keys: ` : whose;
  const useless = keys.length === 0 && skipped.length > 0;
  sayOfKey([keys.length > 0 ? count + names.join("; ") : "", ...skipped].filter(Boolean).join(" "), useless);
  return keys;
}

// An issuer's metadata is no key set, but says where that is.
function pointsElsewhere(text) {
  let place;
  try {
    place = JSON.parse(text).jwks_uri;
  } catch {
    return false;
  }
  if (typeof place !== "string" || metadataOf(place) === null) return false;
  sayOfKey("This is the issuer's metadata. Its keys are here: ");
  $("key-said").append(outward(place));
  return true;
}

// This page may speak to no other server: another issuer's keys are one click and a paste away.
function offer(issuer) {
  const found = typeof issuer === "string" ? metadataOf(issuer) : null;
  $("offer").hidden = found === null;
  if (found === null) return;
  $("offer").replaceChildren(
    "The token says that it is from ", element("code", issuer), ". Open ",
    outward(found.addresses[0], "its metadata"), ", copy all of it, and paste it above: the page then leads you to the keys.",
  );
}
