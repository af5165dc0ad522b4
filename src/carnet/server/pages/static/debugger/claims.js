// What the names in a token mean, which standard defines them, and its dates for people.

const JWS = "7515", JWE = "7516", JWT = "7519", OIDC = "OpenID Connect Core";

// name: [meaning, RFC or other standard, section]. What stands in no standard has none.
const NAMES = {
  alg: ["the algorithm that it says it is signed or encrypted with", JWS, "4.1.1"],
  typ: ["the kind of token", JWT, "5.1"],
  kid: ["which key of the issuer's set", JWS, "4.1.4"],
  cty: ["what is inside an encrypted token", JWT, "5.2"],
  enc: ["how the content is encrypted", JWE, "4.1.2"],
  zip: ["that the content is compressed", JWE, "4.1.3"],
  epk: ["the sender's key for this token alone", "7518", "4.6.1.1"],
  crit: ["extensions that must be understood", JWS, "4.1.11"],
  jwk: ["a key that the token brings along; never used", JWS, "4.1.3"],
  jku: ["an address of keys that the token brings along; never fetched", JWS, "4.1.2"],
  x5c: ["certificates that the token brings along; never used", JWS, "4.1.6"],
  x5u: ["an address of certificates; never fetched", JWS, "4.1.5"],
  x5t: ["the thumbprint of a certificate", JWS, "4.1.7"],
  "x5t#S256": ["the thumbprint of a certificate", JWS, "4.1.8"],
  b64: ["whether the payload is encoded", "7797", "3"],
  iss: ["who issued it", JWT, "4.1.1"],
  sub: ["whom it is about", JWT, "4.1.2"],
  aud: ["which service it is for", JWT, "4.1.3"],
  exp: ["when it expires", JWT, "4.1.4"],
  nbf: ["when it begins", JWT, "4.1.5"],
  iat: ["when it was issued", JWT, "4.1.6"],
  jti: ["its own identifier", JWT, "4.1.7"],
  sid: ["the session it belongs to", "OpenID Connect Front-Channel Logout", "3"],
  client_id: ["the client it was issued to", "8693", "4.3"],
  scope: ["what it allows", "8693", "4.2"],
  act: ["who acts for the subject", "8693", "4.1"],
  may_act: ["who may act for the subject", "8693", "4.4"],
  azp: ["the client it was issued to", OIDC, "2"],
  nonce: ["binds an ID token to the request for it", OIDC, "2"],
  auth_time: ["when the person signed in", OIDC, "2"],
  acr: ["how strongly the person was authenticated", OIDC, "2"],
  amr: ["how the person was authenticated", OIDC, "2"],
  at_hash: ["binds an ID token to its access token", OIDC, "3.1.3.6"],
  c_hash: ["binds an ID token to its authorization code", OIDC, "3.3.2.11"],
  name: ["the subject's name", OIDC, "5.1"],
  given_name: ["the subject's given name", OIDC, "5.1"],
  family_name: ["the subject's family name", OIDC, "5.1"],
  preferred_username: ["the name the subject signs in with", OIDC, "5.1"],
  email: ["the subject's e-mail address", OIDC, "5.1"],
  email_verified: ["whether that address was verified", OIDC, "5.1"],
  picture: ["the address of the subject's picture", OIDC, "5.1"],
  locale: ["the subject's language", OIDC, "5.1"],
  updated_at: ["when the subject's profile last changed", OIDC, "5.1"],
  cnf: ["the key that the bearer must prove to hold", "7800", "3.1"],
  htm: ["the method of the request that it proves", "9449", "4.2"],
  htu: ["the address of the request that it proves", "9449", "4.2"],
  ath: ["the hash of the access token that it goes with", "9449", "4.2"],
  events: ["what has happened", "8417", "2.2"],
  roles: ["the subject's roles", "9068", "2.2.3.1"],
  groups: ["the subject's groups", "9068", "2.2.3.1"],
  entitlements: ["what the subject may do", "9068", "2.2.3.1"],
  authorization_details: ["what it allows, in detail", "9396", "9.1"],
  sub_ver: ["the version of what is said about the subject; older ones are stale"],
  scp: ["what it allows (a provider's own name for “scope”)"],
  role: ["the subject's role"],
};

// Where RFC 7516 says for an encrypted token what RFC 7515 says for a signed one.
const ENCRYPTED = { alg: "4.1.1", jku: "4.1.4", jwk: "4.1.5", kid: "4.1.6", crit: "4.1.13" };

const UNKNOWN = ["", undefined, undefined];

// Give `{meaning, standard, address}`; `standard` is "" for a name of the issuer's own.
export function nameOf(name, isEncrypted = false) {
  const own = isEncrypted && Object.hasOwn(ENCRYPTED, name) ? [JWE, ENCRYPTED[name]] : [];
  const [meaning, source, section] = Object.hasOwn(NAMES, name) ? [NAMES[name][0], ...own, ...NAMES[name].slice(1)] : UNKNOWN;
  if (source === undefined) return { meaning, standard: "", address: null };
  if (/^\d+$/.test(source)) {
    const address = `https://www.rfc-editor.org/rfc/rfc${source}#section-${section}`;
    return { meaning, standard: `RFC ${source}, ${section}`, address };
  }
  const page = source === OIDC ? "core" : "frontchannel";
  return { meaning, standard: `${source}, ${section}`, address: `https://openid.net/specs/openid-connect-${page}-1_0.html` };
}

export const DATES = new Set(["exp", "nbf", "iat", "auth_time", "updated_at"]);

const STEPS = [
  ["year", 31_557_600], ["month", 2_629_800], ["day", 86_400], ["hour", 3600], ["minute", 60], ["second", 1],
];
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const absolute = new Intl.DateTimeFormat("en-GB", {
  dateStyle: "medium", timeStyle: "medium", timeZone: "UTC",
});

// Give `{absolute, relative}` for seconds since 1970, or a word on why it is no such date.
export function dateOf(value, now) {
  if (typeof value !== "number") return { problem: "not a number of seconds" };
  if (value > 100_000_000_000 && value < 100_000_000_000_000) {
    return { problem: "this looks like milliseconds; a date in a token is in seconds" };
  }
  if (value < 0 || value > 253_402_300_799) return { problem: "not between 1970 and the year 9999" };
  const distance = value - now;
  const [unit, seconds] = STEPS.find(([, size]) => Math.abs(distance) >= size) ?? ["second", 1];
  return {
    absolute: `${absolute.format(new Date(value * 1000))} UTC`,
    relative: relative.format(Math.trunc(distance / seconds), unit),
  };
}
