// Whether a signature holds, as the token's own texts say it.

import { decodeStrict, encode } from "./base64url.js";
import { ALGORITHMS } from "./keys.js";

const ascii = (text) => new TextEncoder().encode(text);

// `data` and `signature` are texts of the token. A MAC is compared as text: only its canonical
// spelling matches. Any other signature must be base64url, else a Refusal is thrown.
export async function holds(key, data, signature) {
  const { web, kty } = ALGORITHMS[key.alg];
  if (kty === "oct") {
    return encode(new Uint8Array(await crypto.subtle.sign(web, key.verifying, ascii(data)))) === signature;
  }
  return crypto.subtle.verify(web, key.verifying, decodeStrict(signature, "the signature"), ascii(data));
}
