// Encrypted tokens: what their header means, and decrypting with what WebCrypto has
// (RFC 7516 section 5.2, RFC 7518 sections 4 and 5).

import { decodeStrict } from "./base64url.js";
import { isObject, parseObject, textOf } from "./json.js";
import { KeyProblem } from "./refusal.js";

const OAEP = { "RSA-OAEP": "SHA-1", "RSA-OAEP-256": "SHA-256", "RSA-OAEP-384": "SHA-384", "RSA-OAEP-512": "SHA-512" };
const WRAPS = { A128KW: 16, A192KW: 24, A256KW: 32 };
const CONTENT = {
  A128GCM: { size: 16 }, A192GCM: { size: 24 }, A256GCM: { size: 32 },
  "A128CBC-HS256": { size: 32, hash: "SHA-256" },
  "A192CBC-HS384": { size: 48, hash: "SHA-384" },
  "A256CBC-HS512": { size: 64, hash: "SHA-512" },
};

function ofAlg(alg) {
  if (alg === "dir") return "both sides share the content key itself; no key travels in the token";
  if (Object.hasOwn(OAEP, alg)) return "the content key is encrypted to the recipient's public RSA key";
  if (Object.hasOwn(WRAPS, alg)) return "the content key is wrapped with a shared AES key";
  if (/^A\d+GCMKW$/.test(alg)) return "the content key is encrypted with a shared AES-GCM key";
  if (/^ECDH-ES/.test(alg)) return "the content key is agreed upon with the recipient's elliptic-curve key";
  if (/^PBES2/.test(alg)) return "the content key is wrapped with a key made of a password: weak, don't accept it";
  if (alg === "RSA1_5") return "old RSA padding, open to attack: don't accept it";
  return "not known here";
}

function ofEnc(enc) {
  if (!Object.hasOwn(CONTENT, enc)) return "not known here";
  return CONTENT[enc].hash ? "AES-CBC with an HMAC over it" : "AES-GCM, encryption and integrity in one";
}

// Sentences about an encrypted token.
export function describeEncryption(header) {
  return [
    "This token is encrypted (JWE): without the key only its header can be read.",
    `alg ${header.alg}: ${ofAlg(String(header.alg))}.`,
    `enc ${header.enc}: ${ofEnc(header.enc)}.`,
    "Decrypting proves nothing about who wrote it: a signed token must be inside.",
  ];
}

const integer = (value) => Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
const join = (...parts) => new Uint8Array(parts.flatMap((part) => [...part]));
const bytes = (text) => new TextEncoder().encode(text);
const { subtle } = globalThis.crypto;

async function unwrapWith(secret, wrapped) {
  const key = await subtle.importKey("raw", secret, "AES-KW", false, ["unwrapKey"]);
  const any = { name: "HMAC", hash: "SHA-256" };
  const made = await subtle.unwrapKey("raw", wrapped, key, "AES-KW", any, true, ["sign"]);
  return new Uint8Array(await subtle.exportKey("raw", made));
}

async function agree(jwk, header, alg, size) {
  const { epk } = header;
  if (!isObject(epk) || epk.crv !== jwk.crv) {
    throw new KeyProblem("The token's ephemeral key is on another curve than this key.");
  }
  const web = jwk.crv === "X25519" ? { name: "X25519" } : { name: "ECDH", namedCurve: jwk.crv };
  const { kty, crv, x, y, d } = jwk;
  const point = (x1, y1) => ({ kty, crv, x: x1, ...(y1 && { y: y1 }) });
  const own = await subtle.importKey("jwk", { ...point(x, y), d }, web, false, ["deriveBits"]);
  const theirs = await subtle.importKey("jwk", point(epk.x, epk.y), web, false, []);
  const lengths = { "P-256": 256, "P-384": 384, "P-521": 528, X25519: 256 };
  const secret = new Uint8Array(await subtle.deriveBits({ name: web.name, public: theirs }, own, lengths[crv]));
  const named = (part) => join(integer(part.length), part);
  const party = (name) => named(decodeStrict(String(header[name] ?? ""), name));
  const info = join(named(bytes(alg)), party("apu"), party("apv"), integer(size * 8));
  let derived = new Uint8Array();
  for (let round = 1; derived.length < size; round += 1) {
    const hash = await subtle.digest("SHA-256", join(integer(round), secret, info));
    derived = join(derived, new Uint8Array(hash));
  }
  return derived.slice(0, size);
}

async function contentKey(jwk, header, wrapped) {
  const { alg, enc } = header;
  const { size } = CONTENT[enc];
  const secret = jwk.kty === "oct" ? decodeStrict(String(jwk.k), "k") : null;
  if (alg === "dir" && secret) return secret;
  if (Object.hasOwn(WRAPS, alg) && secret) return unwrapWith(secret, wrapped);
  if (/^A\d+GCMKW$/.test(alg) && secret) {
    const [iv, tag] = ["iv", "tag"].map((name) => decodeStrict(String(header[name]), name));
    return open(secret, iv, join(wrapped, tag), new Uint8Array());
  }
  if (Object.hasOwn(OAEP, alg) && jwk.kty === "RSA") {
    const { kty, n, e, d, p, q, dp, dq, qi } = jwk;
    const web = { name: "RSA-OAEP", hash: OAEP[alg] };
    const key = await subtle.importKey("jwk", { kty, n, e, d, p, q, dp, dq, qi }, web, false, ["decrypt"]);
    return new Uint8Array(await subtle.decrypt(web, key, wrapped));
  }
  if (alg === "ECDH-ES" && jwk.crv) return agree(jwk, header, enc, size);
  const kw = /^ECDH-ES\+(A\d+KW)$/.exec(alg);
  if (kw && jwk.crv) return unwrapWith(await agree(jwk, header, alg, WRAPS[kw[1]]), wrapped);
  throw new KeyProblem(`A ${jwk.kty} key can't open a token whose “alg” is ${alg}, or it is not supported here.`);
}

async function open(secret, iv, sealed, additionalData) {
  const key = await subtle.importKey("raw", secret, "AES-GCM", false, ["decrypt"]);
  return new Uint8Array(await subtle.decrypt({ name: "AES-GCM", iv, additionalData }, key, sealed));
}

async function openCbc(secret, hash, iv, ciphertext, tag, aad) {
  const half = secret.length / 2;
  const mac = await subtle.importKey("raw", secret.slice(0, half), { name: "HMAC", hash }, false, ["sign"]);
  const covered = join(aad, iv, ciphertext, integer(0), integer(aad.length * 8));
  const right = new Uint8Array(await subtle.sign("HMAC", mac, covered)).slice(0, half);
  if (right.length !== tag.length || right.some((byte, at) => byte !== tag[at])) throw new Error("tag");
  const key = await subtle.importKey("raw", secret.slice(half), "AES-CBC", false, ["decrypt"]);
  return new Uint8Array(await subtle.decrypt({ name: "AES-CBC", iv }, key, ciphertext));
}

// Decrypt a compact JWE with a private JWK, a secret JWK or the first fitting key of a set, as text.
export async function decrypt(token, keyText) {
  const parts = token.split(".");
  const { value: header } = parseObject(textOf(decodeStrict(parts[0], "the header")));
  const { alg, enc } = header;
  if (!Object.hasOwn(CONTENT, enc)) throw new KeyProblem("The header's “enc” is not known here.");
  if ("zip" in header) throw new KeyProblem("The content is compressed, which services here refuse.");
  let given;
  try {
    given = parseObject(keyText.trim()).value;
  } catch {
    throw new KeyProblem("To decrypt, give the private key or the secret as a JWK, or a JWK Set with it.");
  }
  const jwks = (Array.isArray(given.keys) ? given.keys : [given]).filter(isObject);
  const [wrapped, iv, ciphertext, tag] = parts.slice(1).map((part) => decodeStrict(part, "a part"));
  const { size, hash } = CONTENT[enc];
  const fits = (jwk) => jwk.kid === undefined || header.kid === undefined || jwk.kid === header.kid;
  let told = null;
  for (const jwk of jwks.filter(fits)) {
    try {
      const secret = await contentKey(jwk, header, wrapped);
      if (secret.length !== size) continue;
      const plain = hash
        ? await openCbc(secret, hash, iv, ciphertext, tag, bytes(parts[0]))
        : await open(secret, iv, join(ciphertext, tag), bytes(parts[0]));
      return textOf(plain);
    } catch (problem) {
      told = problem instanceof KeyProblem ? problem : told;
    }
  }
  const size192 = /192/.test(`${alg} ${enc}`) ? " Many browsers have no AES with 192 bits." : "";
  throw told ?? new KeyProblem(`It can't be decrypted with this key, or it was changed.${size192}`);
}
