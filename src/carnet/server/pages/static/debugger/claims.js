// What the names in a token mean, and its dates for people.

export const MEANINGS = {
  alg: "the algorithm that it says it is signed or encrypted with",
  typ: "the kind of token",
  kid: "which key of the issuer's set",
  cty: "what is inside an encrypted token",
  enc: "how the content is encrypted",
  crit: "extensions that must be understood",
  iss: "who issued it",
  sub: "whom it is about",
  aud: "which service it is for",
  exp: "when it ends",
  nbf: "when it begins",
  iat: "when it was issued",
  jti: "its own identifier",
  sid: "the session it belongs to",
  client_id: "the client it was issued to",
  azp: "the client it was issued to",
  scope: "what it allows",
  scp: "what it allows",
  roles: "the subject's roles",
  role: "the subject's role",
  groups: "the subject's groups",
  sub_ver: "the version of what is said about the subject; older ones are stale",
  auth_time: "when the person signed in",
  acr: "how strongly the person was authenticated",
  amr: "how the person was authenticated",
  nonce: "binds an ID token to the request for it",
  at_hash: "binds an ID token to its access token",
  cnf: "the key that the bearer must prove to hold",
  act: "who acts for the subject",
  email: "the subject's e-mail address",
  email_verified: "whether that address was verified",
  name: "the subject's name",
  preferred_username: "the name the subject signs in with",
};

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
