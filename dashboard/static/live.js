// Parts of a page that say data-live="SECONDS" are asked for again and put in place of what they were, while somebody
// can see the page and works in none of their fields.
"use strict";

// What the server has said of each part: what somebody opened or closed in it since is no news.
const said = new Map([...document.querySelectorAll("[data-live]")].map((part) => [part.id, part.innerHTML]));
const every = Math.min(...[...document.querySelectorAll("[data-live]")].map((part) => Number(part.dataset.live)));

function isWorkedIn(part) {
  const focused = part.contains(document.activeElement) && document.activeElement;
  return focused?.matches?.("input, select, textarea, button") || part.querySelector("details[open]") !== null;
}

async function refresh() {
  if (document.hidden) return;
  const answer = await fetch(location.href, { headers: { "X-EchoWorker-Live": "1" }, redirect: "manual" });
  if (answer.type === "opaqueredirect") location.reload(); // the session has ended
  if (!answer.ok) return;
  const now = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const part of document.querySelectorAll("[data-live]")) {
    const fresh = now.getElementById(part.id);
    if (!fresh || isWorkedIn(part) || fresh.innerHTML === said.get(part.id)) continue;
    said.set(part.id, fresh.innerHTML);
    const focused = part.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    part.innerHTML = fresh.innerHTML;
    if (focused) part.querySelector(`[href="${CSS.escape(focused)}"]`)?.focus();
  }
}

if (Number.isFinite(every)) setInterval(() => refresh().catch(() => {}), every * 1000);
