// Times as people say them: "3 minutes ago", in the language of the page and the visitor's own zone.
// Without this, they stand in UTC. The exact time is in the title, here and in UTC.
const language = document.documentElement.lang || undefined;
const relative = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
const day = new Intl.DateTimeFormat(language, { dateStyle: "medium" });
const exact = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "medium" });
const REFRESHED_EVERY = 30_000;
// A unit in seconds, and how many seconds it is used for.
const UNITS = [
  ["second", 1, 60],
  ["minute", 60, 3600],
  ["hour", 3600, 86_400],
  ["day", 86_400, 30 * 86_400],
];

function words(moment) {
  const seconds = Math.round((moment - Date.now()) / 1000);
  const unit = UNITS.find(([, , until]) => Math.abs(seconds) < until);
  if (!unit) return day.format(moment);
  const [name, length] = unit;
  return relative.format(name === "second" ? 0 : Math.trunc(seconds / length), name);
}

function show(time) {
  const moment = new Date(time.dateTime);
  if (Number.isNaN(moment.getTime())) return;
  time.dataset.utc ??= time.textContent;
  const local = exact.format(moment);
  time.title = `${local} (${time.dataset.utc})`;
  time.textContent = time.closest("[data-times=exact]") ? local : words(moment);
}

function showAll() {
  document.querySelectorAll("time[datetime]").forEach(show);
}

showAll();
setInterval(showAll, REFRESHED_EVERY);
document.addEventListener("times-added", showAll);
