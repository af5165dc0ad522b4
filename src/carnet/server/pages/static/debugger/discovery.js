// Where an issuer publishes its keys. This page may speak to its own server only, so the keys of
// any other issuer are fetched by the person, not by the page.

// Give the addresses of an issuer's metadata: OpenID Connect Discovery, and RFC 8414 section 3.
export function metadataOf(issuer) {
  let address;
  try {
    address = new URL(issuer);
  } catch {
    return null;
  }
  const local = ["localhost", "127.0.0.1", "[::1]"].includes(address.hostname);
  if (address.protocol !== "https:" && !(address.protocol === "http:" && local)) return null;
  const path = address.pathname.replace(/\/$/, "");
  return {
    own: address.origin === location.origin,
    addresses: [
      `${address.origin}${path}/.well-known/openid-configuration`,
      `${address.origin}/.well-known/oauth-authorization-server${path}`,
    ],
  };
}

let kept = { text: "", until: 0 };

// Give this server's own key set, as text, or "" where it can't be had; kept for a minute.
export async function ownKeys(address) {
  if (Date.now() < kept.until) return kept.text;
  const answer = await fetch(address, { credentials: "omit" }).catch(() => null);
  kept = { text: answer?.ok ? await answer.text() : "", until: Date.now() + 60_000 };
  return kept.text;
}
