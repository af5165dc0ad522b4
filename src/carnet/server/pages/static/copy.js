// A button beside what people copy. Without a script, it is selected by hand.
const words = document.getElementById("copy-words").dataset;
const idle = words.copyLabel;

for (const shown of document.querySelectorAll("[data-copy]")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "quiet small copy";
  button.textContent = idle;
  button.setAttribute("aria-label", `${idle}: ${shown.dataset.copy}`);
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(shown.textContent.trim());
      button.textContent = words.copied;
    } catch {
      getSelection().selectAllChildren(shown);
      button.textContent = words.selected;
    }
    setTimeout(() => (button.textContent = idle), 3000);
  });
  shown.after(button);
}
