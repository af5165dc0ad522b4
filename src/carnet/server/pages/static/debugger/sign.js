// Signing header and payload texts again, with a private key or a secret.

import { encode, encodeText } from "./base64url.js";
import { ALGORITHMS } from "./keys.js";
import { KeyProblem } from "./refusal.js";

export async function sign(header, payload, key) {
  if (!key.signing) {
    throw new KeyProblem(`This ${key.alg} key can't sign: give a private key or a secret.`);
  }
  const data = `${encodeText(header)}.${encodeText(payload)}`;
  const made = await crypto.subtle.sign(ALGORITHMS[key.alg].web, key.signing, new TextEncoder().encode(data));
  return `${data}.${encode(new Uint8Array(made))}`;
}
