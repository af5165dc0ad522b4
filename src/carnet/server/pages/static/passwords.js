// A button that shows what is typed, and advice in words for a new password. Without a script the
// fields are what they are.
const COMMON_LEAST = 8;
const GOOD_LENGTH = 16;

function show(field) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "quiet small";
  const label = field.labels[0];
  label.id ||= `${field.id}-label`;
  button.setAttribute("aria-describedby", label.id);
  const turn = (shown) => {
    field.type = shown ? "text" : "password";
    button.textContent = shown ? "Hide" : "Show";
  };
  turn(false);
  button.addEventListener("click", () => turn(field.type === "password"));
  // What a browser takes for text it keeps, and offers the next time.
  field.form.addEventListener("submit", () => turn(false));
  field.after(button);
}

// What is wrong with a new password, in words; nothing is demanded here but its length.
function advice(text, username) {
  if (!text) return "";
  const letters = [...text];
  if (letters.length < COMMON_LEAST) {
    const missing = COMMON_LEAST - letters.length;
    return `${missing} more ${missing === 1 ? "character" : "characters"} to go.`;
  }
  if (username.length > 2 && text.toLowerCase().includes(username.toLowerCase())) {
    return "It contains your username, which attackers try first.";
  }
  if (/^(.{1,4}?)\1+$/su.test(text)) {
    return "It repeats itself, and is as easy to guess as the part that it repeats.";
  }
  if (isRun(letters)) return "It is a simple sequence, which attackers try first.";
  if (new Set(letters).size < 5) return "It has too few different characters.";
  if (letters.length < GOOD_LENGTH) return "It will do. Each further word makes it much better.";
  return "It is long: good.";
}

function isRun(letters) {
  const steps = letters.slice(1).map((one, at) => one.codePointAt(0) - letters[at].codePointAt(0));
  return steps.every((step) => step === steps[0] && Math.abs(step) <= 1);
}

function advise(field) {
  const said = document.createElement("p");
  said.className = "hint";
  said.id = `${field.id}-advice`;
  said.setAttribute("role", "status");
  field.closest(".field").append(said);
  const described = field.getAttribute("aria-describedby");
  field.setAttribute("aria-describedby", [described, said.id].filter(Boolean).join(" "));
  const username = field.form.elements.username;
  field.addEventListener("input", () => {
    said.textContent = advice(field.value, username?.value.trim() ?? "");
  });
}

for (const field of document.querySelectorAll("input[type=password]")) {
  show(field);
  if (field.autocomplete === "new-password") advise(field);
}
