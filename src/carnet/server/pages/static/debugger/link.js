// A link that holds the token in its fragment: made only when asked for, never with a key in it.
// The fragment stays in the browser, but a link is copied, kept and seen by others.

const NAME = "#token=";

export function linkFor(token) {
  return `${location.href.split("#")[0]}${NAME}${encodeURIComponent(token)}`;
}

// Take the token out of the address, and the address bar.
export function takeFromAddress() {
  if (!location.hash.startsWith(NAME)) return null;
  const text = location.hash.slice(NAME.length);
  history.replaceState(null, "", location.pathname + location.search);
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
