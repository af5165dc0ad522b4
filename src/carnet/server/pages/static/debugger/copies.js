// The same check elsewhere, to copy: Python, curl, `carnet verify`. The token stays out of the text,
// and so out of files and of the shell's history: it is read from the environment, or a pipe.

// What a token says may be an attack on a terminal, which obeys some characters that nobody sees.
const plain = (names) => names && names.map((name) => name.replace(/\p{C}/gu, "?"));

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
const python = (value) => (Array.isArray(value) && value.length === 1 ? JSON.stringify(value[0]) : JSON.stringify(value));
const list = (names) => names ?? [];

// Whether a verifier finds the keys by itself, at an issuer that the policy or the token names.
const found = (issuers, own) => list(issuers).length === 1 && (own || /^https:/.test(issuers[0]));

// How a key is read, by what was given: its class and call in Python, and the command's options.
const KEYS = {
  set: ["KeySet", () => 'KeySet.from_jwks(Path("keys.json").read_text())', () => "--jwks keys.json"],
  jwk: ["Key", (alg) => `Key.from_jwk(Path("key.json").read_text(), alg="${alg}")`, (alg) => `--key key.json --alg ${alg}`],
  pem: ["Key", (alg) => `Key.from_pem(Path("key.pem").read_bytes(), alg="${alg}")`, (alg) => `--key key.pem --alg ${alg}`],
  secret: ["Key", (alg) => `Key.from_secret(Path("key.txt").read_bytes(), "${alg}")`, (alg) => `--key key.txt --alg ${alg}`],
};

export function kindOfKey(text) {
  if (text.includes("-----BEGIN")) return "pem";
  if (!text.trim().startsWith("{")) return text.trim() === "" ? null : "secret";
  return /"keys"\s*:/.test(text) ? "set" : "jwk";
}

// `policy` is the verdict's, with the issuer and audience of the token itself where the page takes
// any; `alg` is the key's algorithm, `kind` what `kindOfKey` says, `isOwn` whether the issuer is the
// server that this page comes from.
export function copies({ policy: asked, alg, kind, isOwn }) {
  const policy = {
    ...asked, issuers: plain(asked.issuers), audiences: plain(asked.audiences),
    required: plain(asked.required), type: plain([asked.type])[0],
  };
  const fetched = kind === null && found(policy.issuers, isOwn);
  const key = KEYS[kind ?? "set"];
  const options = {
    ...(policy.type.toLowerCase() === "at+jwt" && fetched ? {} : { type: policy.type }),
    ...(policy.leeway > 0 ? { leeway: policy.leeway } : {}),
    ...(policy.maxAge === null || fetched ? {} : { max_age: policy.maxAge }),
    ...(policy.required.length > 0 ? { required: policy.required } : {}),
  };
  return {
    python: fetched ? pythonOfIssuer(policy, options) : pythonOfKey(policy, options, key, alg),
    curl: curlOf(policy),
    carnet: carnetOf(policy, options, fetched ? [] : [key[2](alg)]),
  };
}

const argumentsOf = (options) => Object.entries(options).map(([name, value]) => `, ${name}=${JSON.stringify(value)}`).join("");
const unless = (names) => (names === null ? "UNCHECKED" : python(names));

function pythonOfIssuer({ issuers, audiences }, options) {
  const unchecked = audiences === null ? "from carnet.jwt import UNCHECKED\n" : "";
  return `import os
${unchecked}from carnet.verifier import AccessTokenVerifier

with AccessTokenVerifier(${python(issuers)}, audience=${unless(audiences)}, revocations="off"${argumentsOf(options)}) as verifier:
    print(dict(verifier.verify(os.environ["TOKEN"])))
`;
}

function pythonOfKey({ issuers, audiences }, options, [name, read], alg) {
  const unchecked = issuers === null || audiences === null ? "from carnet.jwt import UNCHECKED\n" : "";
  return `import os
from pathlib import Path
from carnet import ${name}, Verifier
${unchecked}
key = ${read(alg)}
verifier = Verifier(key, issuer=${unless(issuers)}, audience=${unless(audiences)}${argumentsOf(options)})
print(dict(verifier.verify(os.environ["TOKEN"])))
`;
}

function curlOf({ audiences }) {
  const service = list(audiences).find((name) => /^https?:\/\//.test(name)) ?? "https://service.example.com/";
  return `curl --header "Authorization: Bearer $TOKEN" ${quoted(service)}\n`;
}

function carnetOf({ issuers, audiences }, options, key) {
  const said = [
    ...(issuers === null ? ["--any-issuer"] : [`--issuer ${quoted(issuers[0])}`]),
    ...(audiences === null ? ["--any-audience"] : audiences.map((name) => `--audience ${quoted(name)}`)),
    ...key,
    ...(options.type ? [`--type ${quoted(options.type)}`] : []),
    ...(options.leeway ? [`--leeway ${options.leeway}s`] : []),
    ...list(options.required).map((name) => `--require ${quoted(name)}`),
  ];
  return `printenv TOKEN | carnet verify ${said.join(" ")}\n`;
}
