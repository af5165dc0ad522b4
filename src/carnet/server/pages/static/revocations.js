// The overview's revocations, as they go out. Without this, the list stands as it was loaded.
const table = document.getElementById("revocations");
const rows = table.tBodies[0];
const live = document.getElementById("live");
const none = document.getElementById("none");
const SHOWN = 20;
const [number, , , until] = [...table.tHead.rows[0].cells].map((one) => one.textContent);
let after = Number(table.dataset.after);

function cell(row, label) {
  const made = row.insertCell();
  made.dataset.label = label;
  return made;
}

function add(entry) {
  const row = rows.insertRow(0);
  cell(row, number).textContent = entry.seq;
  row.insertCell().textContent = entry.meaning;
  const value = document.createElement("code");
  value.textContent = entry.value;
  row.insertCell().append(value);
  const time = document.createElement("time");
  time.dateTime = new Date(entry.until * 1000).toISOString();
  time.textContent = entry.written;
  cell(row, until).append(time);
  if (rows.rows.length > SHOWN) rows.deleteRow(-1);
  none.hidden = true;
}

async function follow() {
  if (document.hidden) return;
  try {
    const response = await fetch(`${table.dataset.from}?after=${after}`);
    if (!response.ok) throw new Error(String(response.status));
    const news = await response.json();
    news.entries.forEach(add);
    if (news.entries.length) document.dispatchEvent(new Event("times-added"));
    after = news.seq;
    live.textContent = table.dataset.live;
  } catch {
    live.textContent = table.dataset.lost;
  }
}

follow();
setInterval(follow, 1000);
