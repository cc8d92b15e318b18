// Parts of a page that say data-live="SECONDS" are asked for again and put in place of what they were, while somebody
// can see the page and works in none of their fields. A part with data-run="UID" is of one run, as is what does not
// refresh itself on its page: of a later run it is said that there is one. What could not be refreshed is said to be old.
"use strict";

// What the server has said of each part: what somebody opened or closed in it since is no news.
const said = new Map([...document.querySelectorAll("[data-live]")].map((part) => [part.id, part.innerHTML]));
const every = Math.min(...[...document.querySelectorAll("[data-live]")].map((part) => Number(part.dataset.live)));

let refreshedAt = new Date();

// Says something above all parts, or, with nothing to say, takes it away.
function tell(id, ...words) {
  const told = document.getElementById(id);
  if (words.length === 0) return told?.remove();
  if (told) return;
  const line = document.createElement("p");
  line.id = id;
  line.className = "said wrong";
  line.setAttribute("role", "status");
  line.append(...words);
  document.getElementById("content").prepend(line);
}

function tellOfLaterRun() {
  const again = document.createElement("a");
  again.href = location.pathname + location.search;
  again.textContent = "load the page again";
  tell("later-run", "There are newer answers, and this page is of those before: ", again, ".");
}

function isWorkedIn(part) {
  const focused = part.contains(document.activeElement) && document.activeElement;
  return focused?.matches?.("input, select, textarea, button") || part.querySelector("details[open]") !== null;
}

async function refresh() {
  if (document.hidden) return;
  const answer = await fetch(location.href, { headers: { "X-EchoWorker-Live": "1" }, redirect: "manual" });
  if (answer.type === "opaqueredirect") location.reload(); // the session has ended
  if (!answer.ok) throw new Error(`the server answers ${answer.status}`);
  const now = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const part of document.querySelectorAll("[data-live]")) {
    const fresh = now.getElementById(part.id);
    if (fresh?.dataset.run !== undefined && fresh.dataset.run !== part.dataset.run) {
      tellOfLaterRun();
      if (part.dataset.run) continue;
    }
    if (!fresh || isWorkedIn(part) || fresh.innerHTML === said.get(part.id)) continue;
    said.set(part.id, fresh.innerHTML);
    const focused = part.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    part.innerHTML = fresh.innerHTML;
    if (focused) part.querySelector(`[href="${CSS.escape(focused)}"]`)?.focus();
  }
  refreshedAt = new Date();
  tell("not-refreshed");
}

function tellThatItIsOld() {
  tell("not-refreshed", `Not refreshed since ${refreshedAt.toLocaleTimeString()}: the server does not answer.`);
}

if (Number.isFinite(every)) setInterval(() => refresh().catch(tellThatItIsOld), every * 1000);
