// Passkeys: what the page holds is asked of the browser, and its answer is sent with the form.
// Where the browser has none, the forms stay hidden and the rest of the page does its work.
const forms = document.querySelectorAll("form[data-passkey]");
const known = window.PublicKeyCredential;
let autofill = null;

async function ask(form, more) {
  const options = JSON.parse(form.dataset.options);
  if (form.dataset.passkey === "create") {
    const publicKey = known.parseCreationOptionsFromJSON(options);
    return navigator.credentials.create({ publicKey, ...more });
  }
  const publicKey = known.parseRequestOptionsFromJSON(options);
  return navigator.credentials.get({ publicKey, ...more });
}

function send(form, credential) {
  form.elements.answer.value = JSON.stringify(credential.toJSON());
  form.submit();
}

function offer(form) {
  form.hidden = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    autofill?.abort();
    const said = form.querySelector("[role=status]");
    said.textContent = "";
    try {
      send(form, await ask(form));
    } catch (error) {
      said.textContent =
        error.name === "InvalidStateError"
          ? form.dataset.there
          : form.dataset.failed;
    }
  });
}

async function fillIn(form) {
  if (!(await known.isConditionalMediationAvailable?.())) return;
  autofill = new AbortController();
  try {
    send(form, await ask(form, { mediation: "conditional", signal: autofill.signal }));
  } catch {
    // It was aborted by the button, or nothing was chosen.
  }
}

if (known?.parseRequestOptionsFromJSON) {
  forms.forEach(offer);
  const form = document.querySelector("form[data-autofill]");
  if (form) fillIn(form);
}

// Whoever signs in with a password where a passkey can be made is offered one after it.
const able = document.querySelector("input[name=passkeys]");
if (able && known?.parseCreationOptionsFromJSON) {
  known.isUserVerifyingPlatformAuthenticatorAvailable().then((is) => (able.value = is ? "1" : ""));
}

// Passkeys that were removed here vanish from the provider's list, where the browser can tell it.
const kept = document.querySelector("[data-kept]");
if (kept && known?.signalAllAcceptedCredentials) {
  known.signalAllAcceptedCredentials(JSON.parse(kept.dataset.kept)).catch(() => {});
}
