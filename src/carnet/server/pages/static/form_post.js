// Sends a client its answer at once. Without this, the person presses the button.
document.getElementById("answer").submit();
