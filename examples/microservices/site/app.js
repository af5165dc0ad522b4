// No token ever reaches this script: the cookies are HttpOnly, and the browser sends them itself.
const form = document.querySelector("#sign-in");
const signedIn = document.querySelector("#signed-in");
const answer = document.querySelector("#answer");

function show(isSignedIn) {
  form.hidden = isSignedIn;
  signedIn.hidden = !isSignedIn;
}

async function send(path, options) {
  const response = await fetch(path, options);
  answer.textContent = `${response.status} ${await response.text()}`;
  if (response.status === 401) show(false);
  return response;
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const body = JSON.stringify(Object.fromEntries(new FormData(form)));
  const headers = { "Content-Type": "application/json" };
  const response = await send("/session", { method: "POST", headers, body });
  if (response.ok) {
    form.reset();
    show(true);
  }
});

for (const button of document.querySelectorAll("[data-get]")) {
  button.addEventListener("click", () => send(button.dataset.get));
}

document.querySelector("#sign-out").addEventListener("click", async () => {
  await send("/session", { method: "DELETE" });
  show(false);
});

show((await fetch("/session")).ok);
