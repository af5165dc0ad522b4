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

// Fetch this server's own key set, as text.
export async function ownKeys(addresses) {
  const metadata = await fetch(addresses[0], { credentials: "omit" });
  if (!metadata.ok) throw new Error(`the metadata answers ${metadata.status}`);
  const { jwks_uri: place } = await metadata.json();
  if (new URL(place).origin !== location.origin) return { place, text: null };
  const keys = await fetch(place, { credentials: "omit" });
  if (!keys.ok) throw new Error(`the key set answers ${keys.status}`);
  return { place, text: await keys.text() };
}
