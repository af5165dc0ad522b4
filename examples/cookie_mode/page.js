const byId = (id) => document.getElementById(id);
const show = (value) => {
  byId("outcome").textContent =
    typeof value === "string" ? value : JSON.stringify(value, null, 2);
};

async function ask(method, address, body) {
  const headers = body ? { "Content-Type": "application/json" } : {};
  const answer = await fetch(address, { method, headers, body: body && JSON.stringify(body) });
  return { status: answer.status, ...(await answer.json()) };
}

async function showWho() {
  const { status, sub } = await ask("GET", "/session");
  byId("who").textContent = status === 200 ? `Signed in as ${sub}.` : "Nobody is signed in.";
  byId("sign-in").hidden = status === 200;
  byId("signed-in").hidden = status !== 200;
}

// Everything that a script on this page can look into, as injected script would.
async function everythingReadable() {
  const found = {
    "document.cookie": document.cookie,
    "localStorage": JSON.stringify({ ...localStorage }),
    "sessionStorage": JSON.stringify({ ...sessionStorage }),
    "the page": document.documentElement.outerHTML,
    "window": JSON.stringify(Object.keys(window).filter((name) => typeof window[name] === "string")),
  };
  if ("cookieStore" in window) {
    found["cookieStore"] = JSON.stringify(await cookieStore.getAll());
  }
  const databases = await indexedDB.databases();
  found["indexedDB"] = JSON.stringify(databases);
  found["caches"] = JSON.stringify("caches" in window ? await caches.keys() : []);
  for (const address of ["/", "/session", "/orders", "/page.js"]) {
    const answer = await fetch(address);
    found[`${address} (headers)`] = JSON.stringify([...answer.headers]);
    found[`${address} (body)`] = await answer.text();
  }
  return found;
}

async function tryToSteal() {
  const lines = [];
  let tokens = 0;
  for (const [place, text] of Object.entries(await everythingReadable())) {
    // A JWT, or the refresh token's long base64url text.
    const token = /eyJ[\w-]+\.[\w-]+\.[\w-]+|[\w-]{60,}/.exec(text);
    tokens += token ? 1 : 0;
    lines.push(`${token ? "TOKEN" : "nothing"}  ${place}`);
  }
  lines.push("", tokens ? `${tokens} tokens were found.` : "No token can be read by script.");
  show(lines.join("\n"));
}

byId("sign-in").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.currentTarget;
  show(await ask("POST", "/session", Object.fromEntries(new FormData(form))));
  form.elements.password.value = "";
  await showWho();
});
byId("list").addEventListener("click", async () => show(await ask("GET", "/orders")));
byId("add").addEventListener("click", async () => show(await ask("POST", "/orders")));
byId("steal").addEventListener("click", tryToSteal);
byId("sign-out").addEventListener("click", async () => {
  show(await ask("DELETE", "/session"));
  await showWho();
});

await showWho();
