// Examples to look at: made here, with a key made here.

import { encode, encodeText } from "./base64url.js";
import { generate, readKeys } from "./keys.js";
import { sign } from "./sign.js";

const ISSUER = "https://auth.example.com";

async function signed(now, { header = {}, claims = {} } = {}) {
  const secret = await generate("ES256");
  const { keys } = await readKeys(JSON.stringify(secret));
  const head = { alg: "ES256", typ: "at+jwt", kid: secret.kid, ...header };
  const payload = {
    iss: ISSUER, sub: "1dfee8d8", aud: "orders", client_id: "shop", iat: now, exp: now + 3600,
    scope: "orders:read", roles: ["ADMIN"], jti: "b2f1c0de", ...claims,
  };
  const token = await sign(JSON.stringify(head), JSON.stringify(payload), keys[0]);
  return { token, key: JSON.stringify(secret, null, 2) };
}

async function changed(now) {
  const made = await signed(now);
  const [head, body, mark] = made.token.split(".");
  const claims = atob(body.replaceAll("-", "+").replaceAll("_", "/")).replace('"orders:read"', '"orders:write"');
  return { ...made, token: `${head}.${encodeText(claims)}.${mark}` };
}

async function unsigned(now) {
  const { token, key } = await signed(now);
  return { token: `${encodeText('{"alg":"none","typ":"at+jwt"}')}.${token.split(".")[1]}.`, key };
}

async function encrypted(now) {
  const { token } = await signed(now);
  const head = encodeText('{"alg":"dir","enc":"A256GCM","cty":"JWT"}');
  const secret = crypto.getRandomValues(new Uint8Array(32));
  const iv = crypto.getRandomValues(new Uint8Array(12));
  const key = await crypto.subtle.importKey("raw", secret, "AES-GCM", false, ["encrypt"]);
  const text = (value) => new TextEncoder().encode(value);
  const sealed = await crypto.subtle.encrypt({ name: "AES-GCM", iv, additionalData: text(head) }, key, text(token));
  const parts = [iv, new Uint8Array(sealed, 0, sealed.byteLength - 16), new Uint8Array(sealed.slice(-16))];
  return {
    token: [head, "", ...parts.map(encode)].join("."),
    key: JSON.stringify({ kty: "oct", alg: "dir", k: encode(secret) }),
  };
}

// What can be loaded, by the values of the page's list; each is given the time in seconds.
const EXAMPLES = {
  access: signed,
  id: (now) => signed(now, { header: { typ: "JWT" }, claims: {
    aud: "shop", client_id: undefined, scope: undefined, roles: undefined, nonce: "n-0S6_WzA2Mj",
    auth_time: now - 60, name: "Alice Example", email: "alice@example.com", email_verified: true,
  } }),
  expired: (now) => signed(now - 10_800),
  audience: (now) => signed(now, { claims: { aud: "billing" } }),
  changed,
  none: unsigned,
  encrypted,
};

// Give `{token, key, issuer, audience}`.
export async function example(name, now) {
  return { issuer: ISSUER, audience: name === "id" ? "shop" : "orders", ...(await EXAMPLES[name](now)) };
}
