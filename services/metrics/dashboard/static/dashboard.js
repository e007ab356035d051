// The page is complete without this. It follows the page's figures by server-sent events from the page's own version on, writes changed
// numbers where they stand, and says how old they are. Rows keep their order until the reader asks.
"use strict";

const live = document.getElementById("live");
const age = document.getElementById("age");
const format = new Intl.NumberFormat(document.documentElement.lang);
const NONE = "—";
const RECENT_EVERY = 2000;
const MARKED = 2000;
const FIRST_WAIT = 1000;
const LONGEST_WAIT = 30000;

// 1000·n/d rounded half up: tenths of a percent, in whole numbers.
const tenths = (n, d) => Math.floor((2000 * n + d) / (2 * d));
const percent = ({ numerator: n, denominator: d }) => (d ? `${format.format(Math.floor(tenths(n, d) / 10))}.${tenths(n, d) % 10}` : NONE);
const gap = ({ numerator: n, denominator: d }, target) => Math.max(0, Math.floor((target * d) / 100) + 1 - n);
const above = ({ numerator: n, denominator: d }, target) => d > 0 && 100 * n > target * d;

function write(element, text) {
  if (element.textContent === text) return;
  element.textContent = text;
  element.classList.add("new");
  clearTimeout(element.unmark);
  element.unmark = setTimeout(() => element.classList.remove("new"), MARKED);
}

function show(place, row) {
  for (const element of place.querySelectorAll("[data-count]")) write(element, format.format(row[element.dataset.count]));
  for (const element of place.querySelectorAll("[data-rate]")) write(element, percent(row[element.dataset.rate]));
  for (const element of place.querySelectorAll("[data-gap]")) {
    const rate = row[element.dataset.gap];
    const target = Number(element.dataset.percent);
    if (!rate.denominator) continue;
    write(element, above(rate, target) ? element.dataset.met : element.dataset.text.replace("{number}", format.format(gap(rate, target))));
  }
  for (const box of place.querySelectorAll("[data-bar]")) {
    const rate = row[box.dataset.bar];
    box.querySelector(".length").setAttribute("width", rate.denominator ? Math.min(100, (100 * rate.numerator) / rate.denominator).toFixed(2) : "0");
    box.querySelector(".bar").classList.toggle("above", "percent" in box.dataset && above(rate, Number(box.dataset.percent)));
  }
  for (const element of place.querySelectorAll("[data-complete]")) {
    const known = row.units_headcount_known - row.units_headcount_stale;
    if (!row.units) continue;
    const share = `${known < row.units ? Math.floor((known * 100) / row.units) : 100}%`;
    write(element, element.textContent.replace(/\d+%|—/, share));
  }
}

let confirmedAt = performance.now();
let seconds = age ? Number(age.dataset.seconds) : 0;
let code = age?.dataset.stale ?? null;
let reason = age && age.classList.contains("old") ? age.querySelector(".text").textContent : null;

function tell() {
  if (!age) return;
  const now = seconds + (performance.now() - confirmedAt) / 1000;
  age.classList.toggle("old", reason !== null);
  if (reason === null) delete age.dataset.stale;
  else age.dataset.stale = code;
  age.querySelector(".text").textContent = reason ?? age.dataset.text.replace("{seconds}", now < 10 ? now.toFixed(1) : Math.round(now));
}

function why({ reason: code, since, lag_events }) {
  const clock = { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: age?.dataset.zone };
  const at = since ? new Intl.DateTimeFormat("en-GB", clock).format(new Date(since)) : NONE;
  return JSON.parse(age?.dataset.reasons ?? "{}")[code]?.replace("{since}", at).replace("{events}", format.format(lag_events)) ?? code;
}

let recentDue = false;
async function refreshRecent() {
  const place = document.getElementById("recent");
  if (!place || recentDue || document.hidden) return;
  recentDue = true;
  setTimeout(async () => {
    recentDue = false;
    try {
      const answer = await fetch(live.dataset.recent, { credentials: "same-origin" });
      if (answer.ok && !place.contains(document.activeElement)) place.innerHTML = await answer.text();
    } catch {
      // The stream says that the connection is lost.
    }
  }, RECENT_EVERY);
}

function ended() {
  source.close();
  code = "ENDED";
  reason = age?.dataset.ended ?? null;
  tell();
}

// A browser tries again by itself when the line breaks, but gives up for ever when it is refused, as by a service that is just starting.
async function again() {
  try {
    const answer = await fetch(live.dataset.recent, { credentials: "same-origin" });
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
    for (const row of told.rows) {
      const places = live.querySelectorAll(`[data-row="${CSS.escape(row.area)}"]`);
      for (const place of places) show(place, row);
      if (!places.length && row.units && live.querySelector(".rows")) document.getElementById("changed")?.removeAttribute("hidden");
    }
    live.dataset.shown = told.version;
    if (told.rows.length) refreshRecent();
  });
  source.addEventListener("age", (event) => {
    const told = JSON.parse(event.data);
    confirmedAt = performance.now();
    seconds = told.age_ms / 1000;
    code = told.reason;
    reason = code ? why(told) : null;
    const closed = document.getElementById("closed");
    if (closed && told.closed_day) write(closed, told.closed_day);
    tell();
  });
  source.addEventListener("end", ended);
  source.addEventListener("open", () => {
    live.dataset.connected = "1";
    wait = FIRST_WAIT;
  });
  source.addEventListener("error", () => {
    delete live.dataset.connected;
    code = "DISCONNECTED";
    reason = age?.dataset.lost ?? null;
    tell();
    if (source.readyState !== EventSource.CLOSED) return;
    setTimeout(again, wait);
    wait = Math.min(2 * wait, LONGEST_WAIT);
  });
}

if (live?.dataset.stream) {
  follow(live.dataset.version);
  setInterval(tell, 500);
  addEventListener("pagehide", () => source.close());
}
