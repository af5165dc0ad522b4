// A first token to look at: made here, with a key made here, good for an hour.

import { generate, readKeys } from "./keys.js";
import { sign } from "./sign.js";

export async function sample(now) {
  const secret = await generate("ES256");
  const { keys } = await readKeys(JSON.stringify(secret));
  const header = JSON.stringify({ alg: "ES256", typ: "at+jwt", kid: secret.kid });
  const payload = JSON.stringify({
    iss: "https://auth.example.com", sub: "1dfee8d8", aud: "orders", client_id: "shop",
    iat: now, exp: now + 3600, scope: "orders:read", roles: ["ADMIN"], jti: "b2f1c0de",
  });
  return {
    token: await sign(header, payload, keys[0]),
    key: JSON.stringify(secret, null, 2),
    issuer: "https://auth.example.com",
    audience: "orders",
    type: "at+jwt",
  };
}
