// What would change a refusal, in words for the person who builds the service or the token.

const ADVICE = {
  malformed: "Take the token again from where it was issued, whole and unchanged, without quotes, padding or line breaks.",
  too_large: "Put less into the token: a few claims and identifiers, no lists of permissions or documents.",
  crit_unsupported: "Issue the token without “crit”: this verifier understands no extension, and must refuse those it doesn't.",
  type_mismatch: "Issue the token with the “typ” that the service expects, or send this one to the service that it is for. An ID token is no access token.",
  algorithm_mismatch: "Sign with the algorithm that the service's key is bound to, or give the service the key of this algorithm. The token's own “alg” never decides.",
  key_not_found: "Give the service the issuer's current key set: the key that signed is not in it.",
  signature_invalid: "Check that this is the issuer's key and that nobody changed a character of header or payload. After editing here, sign again.",
  issuer_mismatch: "Compare both texts character by character: a slash at the end, http for https or another tenant makes them different.",
  audience_mismatch: "Ask the issuer for a token for this service, or add the audience to what the service accepts, if it is really meant.",
  expired: "Get a new token (a refresh token is for that). If the clocks differ, allow a little leeway.",
  not_yet_valid: "Wait, set the clocks right, or allow a little leeway if they differ by seconds.",
  too_old: "Get a newly issued token, or allow a longer age since “iat”.",
};

const BY_CLAIM = {
  "header_invalid b64": "Issue the token without “b64”: a JWT's payload is always encoded.",
  "claim_missing exp": "Issue the token with “exp”: a token without an end is never accepted.",
  "claim_missing aud": "Issue the token with “aud”, the name of the service that it is for.",
  "claim_missing iss": "Issue the token with “iss”, exactly as the service knows the issuer.",
  "key_not_found alg": "Give the key: without one no service can accept a token.",
};

export function adviceFor({ code, claim, expected }) {
  const special = BY_CLAIM[`${code} ${claim}`];
  if (special) return special;
  if (code === "header_invalid") return `Issue the token with a header whose “${claim}” is ${expected}.`;
  if (code === "claim_missing") return `Issue the token with “${claim}”, or don't require it.`;
  if (code === "claim_invalid") return `Issue the token with “${claim}” as ${expected}.`;
  return ADVICE[code] ?? "";
}
