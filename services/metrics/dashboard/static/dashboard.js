// The page is complete without this. It follows the page's figures by server-sent events from the page's own version on. When something has
// changed it takes the whole page anew, so that all numbers on it are of one moment, and writes what differs where it stands: rows keep
// their order until the reader asks. It says how old the figures are by its own clock, also when nobody tells it.
"use strict";

const live = document.getElementById("live");
const age = document.getElementById("age");
const format = new Intl.NumberFormat(document.documentElement.lang);
const texts = JSON.parse(age?.dataset.reasons ?? "{}");
const NONE = "—";
const MARKED = 2000;
const FIRST_WAIT = 1000;
const LONGEST_WAIT = 30000;
const SHORTEST_PAUSE = 1000;
// Between two looks at the page at least so many times as long as the last one took, so that open pages never are most of a server's work.
const PAUSES = 5;
// The server tells the age every two seconds.
const SILENT_AFTER = 5000;

function mark(element) {
  if (!element) return;
  element.classList.add("new");
  clearTimeout(element.unmark);
  element.unmark = setTimeout(() => element.classList.remove("new"), MARKED);
}

// Writes into `old` what differs in `fresh`, another rendering of the same part of the page.
function write(old, fresh) {
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data === fresh.data) return;
    const said = old.data.trim() !== fresh.data.trim();
    old.data = fresh.data;
    if (said) mark(old.parentElement);
    return;
  }
  if (old.nodeType !== Node.ELEMENT_NODE || old.id === "changed") return;
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) === value) continue;
    if (name === "class" && old.classList.contains("new")) old.setAttribute("class", `${value} new`);
    else old.setAttribute(name, value);
  }
  for (const name of old.getAttributeNames()) {
    if (!fresh.hasAttribute(name) && name !== "open" && !name.startsWith("data-connected") && name !== "data-shown" && name !== "class") old.removeAttribute(name);
  }
  if ("rows" in old.dataset) writeRows(old, fresh);
  else if (sameKinds(old.childNodes, fresh.childNodes)) [...old.childNodes].forEach((child, index) => write(child, fresh.childNodes[index]));
  else if (!old.contains(document.activeElement)) old.replaceChildren(...fresh.childNodes);
}

const sameKinds = (some, others) => some.length === others.length && [...some].every((node, index) => node.nodeName === others[index].nodeName);

function writeRows(old, fresh) {
  const left = new Map([...fresh.children].map((row) => [row.dataset.row, row]));
  let moved = false;
  for (const row of [...old.children]) {
    const now = left.get(row.dataset.row);
    left.delete(row.dataset.row);
    if (now) write(row, now);
    else {
      row.remove();
      moved = true;
    }
  }
  // A new row stands at the end, since the others must not move under the reader's eyes.
  for (const row of left.values()) old.append(row);
  if (moved || left.size) document.getElementById("changed")?.removeAttribute("hidden");
}

let looking = false;
let due = false;
async function look() {
  due = true;
  if (looking || document.hidden) return;
  looking = true;
  let pause = SHORTEST_PAUSE;
  while (due && code !== "ENDED" && !document.hidden) {
    due = false;
    const began = performance.now();
    pause = (await taken()) ? SHORTEST_PAUSE : Math.min(2 * pause, LONGEST_WAIT);
    due ||= pause > SHORTEST_PAUSE;
    await new Promise((go) => setTimeout(go, Math.max(pause, PAUSES * (performance.now() - began))));
  }
  looking = false;
}

async function taken() {
  try {
    const answer = await fetch(location.href, { credentials: "same-origin", headers: { Accept: "text/html" } });
    if (answer.status === 401 || answer.status === 403) ended();
    else if (answer.ok) show(new DOMParser().parseFromString(await answer.text(), "text/html"));
    return answer.ok;
  } catch {
    // The stream says that the connection is lost.
    return false;
  }
}

function show(page) {
  const fresh = page.getElementById("live");
  if (!fresh?.dataset.stream || fresh.dataset.day !== live.dataset.day) {
    // Midnight, or another page than this one.
    location.reload();
    return;
  }
  write(live, fresh);
  for (const id of ["foot", "closed"]) {
    const [old, now] = [document.getElementById(id), page.getElementById(id)];
    if (old && now) write(old, now);
  }
}

function ago(seconds) {
  if (seconds < 10) return texts["ago.seconds"].replace("{number}", seconds.toFixed(1));
  for (const [name, most, each] of [["seconds", 120, 1], ["minutes", 7200, 60], ["hours", 172800, 3600]]) {
    if (seconds < most) return texts[`ago.${name}`].replace("{number}", format.format(Math.floor(seconds / each)));
  }
  return texts["ago.days"].replace("{number}", format.format(Math.floor(seconds / 86400)));
}

let heardAt = performance.now();
let seconds = age ? Number(age.dataset.seconds) : 0;
let code = age?.dataset.stale ?? null;
let reason = code ? age.querySelector(".text").textContent.replace(/ · [^·]*$/, "") : null;

function tell() {
  if (!age) return;
  const silence = performance.now() - heardAt;
  let [told, why] = [code, reason];
  if (source && code === null && silence > SILENT_AFTER) [told, why] = ["SILENT", age.dataset.silent];
  age.classList.toggle("old", told !== null);
  if (told === null) delete age.dataset.stale;
  else age.dataset.stale = told;
  const since = told === "NEVER_READ" || told === "UNKNOWN" ? "" : ago(seconds + silence / 1000);
  const text = [why, since].filter(Boolean).join(" · ");
  const place = age.querySelector(".text");
  if (place.textContent !== text) place.textContent = text;
}

function why({ reason: stale, since, lag_events }) {
  const key = stale === "CATCHING_UP" && !lag_events ? "READING" : stale;
  const clock = { year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: age?.dataset.zone };
  // Swedish dates are written as ISO 8601 has them.
  const at = since ? new Intl.DateTimeFormat("sv-SE", clock).format(new Date(since)) : NONE;
  return texts[key]?.replace("{since}", at).replace("{events}", format.format(lag_events)) ?? age?.dataset.unknown;
}

function ended(event) {
  source?.close();
  const { reason: ending } = event?.data ? JSON.parse(event.data) : {};
  code = "ENDED";
  reason = texts[`ended.${ending}`] ?? age?.dataset.ended ?? null;
  tell();
}

// A browser tries again by itself when the line breaks, but gives up for ever when it is refused, as by a service that is just starting.
async function again() {
  try {
    const answer = await fetch(location.href, { credentials: "same-origin", method: "GET", headers: { Accept: "text/html" } });
    if (answer.status === 401 || answer.status === 403) return ended();
  } catch {
    // Nobody answers yet.
  }
  follow(live.dataset.shown ?? live.dataset.version);
}

let source = null;
let wait = FIRST_WAIT;
function follow(since) {
  const { stream, area, by, day } = live.dataset;
  const query = new URLSearchParams({ area, last_event_id: since, day });
  if (by) query.set("by", by);
  source = new EventSource(`${stream}?${query}`);
  source.addEventListener("coverage", (event) => {
    const told = JSON.parse(event.data);
    if (told.as_of !== day) {
      // Midnight: another business day has begun.
      location.reload();
      return;
    }
    live.dataset.shown = told.version;
    if (told.rows.length) look();
  });
  source.addEventListener("facts", (event) => {
    live.dataset.shown = JSON.parse(event.data).version;
    look();
  });
  source.addEventListener("age", (event) => {
    const told = JSON.parse(event.data);
    heardAt = performance.now();
    seconds = told.age_ms / 1000;
    code = told.reason;
    reason = code ? why(told) : null;
    const closed = document.getElementById("closed");
    if (closed && told.closed_day && closed.textContent !== told.closed_day) {
      closed.textContent = told.closed_day;
      mark(closed);
      look();
    }
    tell();
  });
  source.addEventListener("end", ended);
  source.addEventListener("open", () => {
    live.dataset.connected = "1";
    wait = FIRST_WAIT;
  });
  source.addEventListener("error", () => {
    delete live.dataset.connected;
    if (code !== "ENDED") {
      code = "DISCONNECTED";
      reason = age?.dataset.lost ?? null;
    }
    tell();
    if (source.readyState !== EventSource.CLOSED || code === "ENDED") return;
    setTimeout(again, wait);
    wait = Math.min(2 * wait, LONGEST_WAIT);
  });
}

if (age?.dataset.reasons) setInterval(tell, 500);
if (live?.dataset.stream) {
  follow(live.dataset.version);
  document.addEventListener("visibilitychange", () => due && look());
  addEventListener("pagehide", () => source.close());
}
