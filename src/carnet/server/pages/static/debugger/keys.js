// Keys: a secret, PEM, a JWK or a JWK Set, each bound to one algorithm, into what WebCrypto works
// with. The rules are those of carnet's Key and KeySet.

import { decodeStrict, encode } from "./base64url.js";
import { isObject, parseObject } from "./json.js";
import { KeyProblem } from "./refusal.js";

const subtle = globalThis.crypto?.subtle;

const hmac = (bits) => ({ kty: "oct", size: bits / 8, use: "sig", web: { name: "HMAC", hash: `SHA-${bits}` } });
const rsa = (name, bits, more = {}) => ({
  kty: "RSA", use: "sig", web: { name, hash: `SHA-${bits}`, ...more },
});
const ecdsa = (curve, bits) => ({
  kty: "EC", crv: curve, use: "sig", web: { name: "ECDSA", namedCurve: curve, hash: `SHA-${bits}` },
});

// One row per signature algorithm; `web` is what WebCrypto calls it, absent where it has no name.
export const ALGORITHMS = {
  HS256: hmac(256), HS384: hmac(384), HS512: hmac(512),
  RS256: rsa("RSASSA-PKCS1-v1_5", 256),
  RS384: rsa("RSASSA-PKCS1-v1_5", 384),
  RS512: rsa("RSASSA-PKCS1-v1_5", 512),
  PS256: rsa("RSA-PSS", 256, { saltLength: 32 }),
  PS384: rsa("RSA-PSS", 384, { saltLength: 48 }),
  PS512: rsa("RSA-PSS", 512, { saltLength: 64 }),
  ES256: ecdsa("P-256", 256), ES384: ecdsa("P-384", 384), ES512: ecdsa("P-521", 512),
  Ed25519: { kty: "OKP", crv: "Ed25519", use: "sig", web: { name: "Ed25519" } },
  EdDSA: { kty: "OKP", crv: "Ed25519", use: "sig", web: { name: "Ed25519" } },
  ES256K: { kty: "EC", crv: "secp256k1", use: "sig" },
  Ed448: { kty: "OKP", crv: "Ed448", use: "sig" },
  "ML-DSA-44": { kty: "AKP", use: "sig" },
  "ML-DSA-65": { kty: "AKP", use: "sig" },
  "ML-DSA-87": { kty: "AKP", use: "sig" },
};
const OF_CURVE = {
  "P-256": "ES256", "P-384": "ES384", "P-521": "ES512", secp256k1: "ES256K",
  Ed25519: "Ed25519", Ed448: "Ed448",
};
const PUBLIC_MEMBERS = { RSA: ["n", "e"], EC: ["crv", "x", "y"], OKP: ["crv", "x"], oct: ["k"], AKP: ["pub"] };
const PRIVATE_MEMBERS = { RSA: ["d", "p", "q", "dp", "dq", "qi"], EC: ["d"], OKP: ["d"], oct: [], AKP: [] };

export const SIGNING = Object.keys(ALGORITHMS).filter((alg) => ALGORITHMS[alg].web && alg !== "EdDSA");

function members(jwk, names) {
  const chosen = { kty: jwk.kty };
  for (const name of names) {
    if (typeof jwk[name] !== "string") throw new KeyProblem(`The ${jwk.kty} JWK misses “${name}”.`);
    chosen[name] = jwk[name];
  }
  return chosen;
}

function algorithmOf(jwk, wanted) {
  const named = jwk.alg ?? null;
  if (named !== null && typeof named !== "string") throw new KeyProblem("The JWK's “alg” must be text.");
  const same = new Set([wanted, named]);
  const older = same.has("EdDSA") && same.has("Ed25519");
  if (wanted && named && wanted !== named && !older) {
    throw new KeyProblem(`The JWK is for ${named}, not for ${wanted}.`);
  }
  const alg = wanted ?? named ?? (jwk.use === "enc" ? undefined : OF_CURVE[jwk.crv]);
  if (!alg) throw new KeyProblem("The JWK names no “alg”: choose the algorithm that it is for.");
  if (!Object.hasOwn(ALGORITHMS, alg)) throw new KeyProblem(`${alg} is no signature algorithm known here.`);
  return alg;
}

// Make a key of a JWK; `canVerify`, `accepts` and `kid` decide which tokens it is tried on.
export async function keyOfJwk(jwk, wanted = null) {
  if (!Object.hasOwn(PUBLIC_MEMBERS, jwk.kty)) throw new KeyProblem("The JWK's “kty” is not known.");
  const alg = algorithmOf(jwk, wanted);
  const row = ALGORITHMS[alg];
  if (row.kty !== jwk.kty) throw new KeyProblem(`${alg} needs a ${row.kty} key, not ${jwk.kty}.`);
  if (row.crv && row.crv !== jwk.crv) throw new KeyProblem(`${alg} needs a key on ${row.crv}.`);
  const kid = jwk.kid ?? null;
  if (kid !== null && (typeof kid !== "string" || kid.length < 1 || kid.length > 256)) {
    throw new KeyProblem("A “kid” is text of 1 to 256 characters.");
  }
  if (jwk.use !== undefined && jwk.use !== "sig") throw new KeyProblem("The JWK's “use” must be “sig”.");
  const operations = jwk.key_ops;
  if (operations !== undefined && !Array.isArray(operations)) {
    throw new KeyProblem("The JWK's “key_ops” must be a list.");
  }
  const open = members(jwk, PUBLIC_MEMBERS[jwk.kty]);
  checkSize(alg, row, open);
  const key = {
    alg,
    kid,
    accepts: alg === "Ed25519" || alg === "EdDSA" ? ["Ed25519", "EdDSA"] : [alg],
    canVerify: operations === undefined || operations.includes("verify"),
    verifying: null,
    signing: null,
    jwk: open,
  };
  if (!row.web || !subtle) return key;
  const secret = row.kty === "oct";
  key.verifying = await made(open, row, secret ? ["sign", "verify"] : ["verify"]);
  const mayMake = operations === undefined || operations.includes("sign");
  if (secret) key.signing = mayMake ? key.verifying : null;
  else if (jwk.d !== undefined) {
    const all = members(jwk, [...PUBLIC_MEMBERS[jwk.kty], ...PRIVATE_MEMBERS[jwk.kty]]);
    const signing = await made(all, row, ["sign"]);
    key.signing = mayMake ? signing : null;
  }
  return key;
}

async function made(jwk, row, operations) {
  try {
    return await subtle.importKey("jwk", jwk, row.web, false, operations);
  } catch {
    throw new KeyProblem(`The ${jwk.kty} JWK is not a consistent key, or this browser can't use it.`);
  }
}

function bytesOf(jwk, name) {
  try {
    return decodeStrict(jwk[name], name);
  } catch {
    throw new KeyProblem(`The JWK's “${name}” is not canonical base64url.`);
  }
}

function checkSize(alg, row, jwk) {
  if (row.kty === "oct") {
    const secret = bytesOf(jwk, "k");
    if (secret.length < row.size) {
      throw new KeyProblem(
        `${alg} needs a secret of at least ${row.size} bytes, this one has ${secret.length}.`,
      );
    }
    const text = new TextDecoder().decode(secret).trimStart();
    if (text.includes("-----BEGIN") || (text.startsWith("{") && text.includes('"kty"'))) {
      throw new KeyProblem("This is the text of a key, not a secret: a published key must never sign.");
    }
  }
  if (row.kty === "RSA") {
    const modulus = bytesOf(jwk, "n");
    const bits = modulus.length * 8 - Math.clz32(modulus[0] ?? 0) + 24;
    if (bits < 2048) throw new KeyProblem(`The RSA key has ${bits} bits, at least 2048 are needed.`);
  }
}

async function keysOfSet(list, wanted) {
  const keys = [];
  const skipped = [];
  for (const [number, jwk] of list.entries()) {
    try {
      if (!isObject(jwk)) throw new KeyProblem("It is not an object.");
      keys.push(await keyOfJwk(jwk, jwk.alg === undefined ? fitting(jwk, wanted) : null));
    } catch (problem) {
      if (!(problem instanceof KeyProblem)) throw problem;
      skipped.push(`Key ${number + 1} is left out. ${problem.message}`);
    }
  }
  return { keys, skipped };
}

// A chosen algorithm binds only the keys of a set that name none and are of its type.
function fitting(jwk, wanted) {
  const { kty, crv } = ALGORITHMS[wanted] ?? {};
  return kty === jwk.kty && (crv ?? jwk.crv) === jwk.crv ? wanted : null;
}

// Read whatever was pasted. `alg` binds a key that names no algorithm; `form` is how a secret is
// written: "text", "base64url" or "hex".
export async function readKeys(text, { alg = null, form = "text" } = {}) {
  const trimmed = text.trim();
  if (trimmed === "") return { keys: [], skipped: [] };
  if (trimmed.startsWith("{")) {
    const { value } = parseKey(trimmed);
    if (Array.isArray(value.keys)) return keysOfSet(value.keys, alg);
    return { keys: [await keyOfJwk(value, value.alg === undefined ? alg : null)], skipped: [] };
  }
  if (trimmed.includes("-----BEGIN")) return { keys: [await keyOfPem(trimmed, alg)], skipped: [] };
  const chosen = alg ?? "HS256";
  const jwk = { kty: "oct", k: encode(secretBytes(text, form)) };
  return { keys: [await keyOfJwk(jwk, chosen)], skipped: [] };
}

function parseKey(text) {
  try {
    return parseObject(text);
  } catch (problem) {
    throw new KeyProblem(`The key begins like JSON, but ${problem.message}.`);
  }
}

function secretBytes(text, form) {
  if (form === "text") return new TextEncoder().encode(text);
  const packed = text.trim();
  if (form === "hex") {
    if (!/^(?:[0-9a-f]{2})+$/i.test(packed)) throw new KeyProblem("The secret is not hexadecimal.");
    return Uint8Array.from(packed.match(/../g), (pair) => parseInt(pair, 16));
  }
  const url = packed.replace(/=+$/, "").replaceAll("+", "-").replaceAll("/", "_");
  return bytesOf({ k: url }, "k");
}

const CONVERSIONS = {
  CERTIFICATE: "openssl x509 -pubkey -noout -in FILE",
  "RSA PUBLIC KEY": "openssl rsa -RSAPublicKey_in -pubout -in FILE",
};

async function keyOfPem(text, alg) {
  const found = /-----BEGIN ([A-Z ]+)-----([A-Za-z0-9+/=\s]+)-----END \1-----/.exec(text);
  if (!found) throw new KeyProblem("The PEM block is cut off or has strange characters.");
  const [, label, body] = found;
  const format = { "PUBLIC KEY": "spki", "PRIVATE KEY": "pkcs8" }[label];
  if (!format) {
    throw new KeyProblem(
      `“${label}” can't be read by a browser. Convert it: ` +
        (CONVERSIONS[label] ?? "openssl pkey -in FILE"),
    );
  }
  const packed = body.replace(/[\s=]/g, "").replaceAll("+", "-").replaceAll("/", "_");
  const der = bytesOf({ PEM: packed }, "PEM");
  for (const row of [ALGORITHMS.RS256, ALGORITHMS.ES256, ALGORITHMS.ES384, ALGORITHMS.ES512, ALGORITHMS.Ed25519]) {
    const operation = format === "spki" ? "verify" : "sign";
    const key = await subtle.importKey(format, der, row.web, true, [operation]).catch(() => null);
    if (key === null) continue;
    const { kty, key_ops: _, ext: __, alg: ___, ...rest } = await subtle.exportKey("jwk", key);
    return keyOfJwk({ kty, ...rest }, alg ?? (kty === "RSA" ? "RS256" : null));
  }
  throw new KeyProblem("The PEM block holds no RSA, P-256, P-384, P-521 or Ed25519 key that this browser can use.");
}

// Make a new key, as a private JWK.
export async function generate(alg) {
  const row = ALGORITHMS[alg];
  const named = { alg, kid: encode(crypto.getRandomValues(new Uint8Array(9))), use: "sig" };
  if (row.kty === "oct") {
    return { kty: "oct", ...named, k: encode(crypto.getRandomValues(new Uint8Array(row.size))) };
  }
  const shape = row.kty === "RSA" ? { modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]) } : {};
  const pair = await subtle.generateKey({ ...row.web, ...shape }, true, ["sign", "verify"]);
  const jwk = await subtle.exportKey("jwk", pair.privateKey);
  return { ...members(jwk, [...PUBLIC_MEMBERS[row.kty], ...PRIVATE_MEMBERS[row.kty]]), ...named };
}
