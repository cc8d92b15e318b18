// The inbox by keyboard: j and k go on and back, o opens the study, c confirms, d asks why it is dismissed. What is said
// is sent in the background, and the list put in place of what it was. Without this, the forms work as any other.
"use strict";

const items = () => [...document.querySelectorAll("#inbox .inbox > li[id]")];
const current = () => document.activeElement?.closest("#inbox .inbox > li[id]") ?? null;

let isSending = false;

// Who speaks to the computer, or strikes a key by chance, can do without them (WCAG 2.1, 2.1.4); this browser remembers it.
const shortcuts = document.getElementById("shortcuts");
shortcuts.checked = localStorage.getItem("inbox-shortcuts") !== "off";
shortcuts.addEventListener("change", () => localStorage.setItem("inbox-shortcuts", shortcuts.checked ? "on" : "off"));
shortcuts.closest("[hidden]").hidden = false;

function go(by) {
  const all = items();
  const next = all[Math.min(Math.max(all.indexOf(current()) + by, 0), all.length - 1)];
  next?.focus();
  next?.scrollIntoView({ block: "nearest" });
}

async function send(form, button) {
  const item = form.closest("li");
  const place = items().indexOf(item);
  const answer = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form, button)) });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.getElementById("inbox");
  if (!fresh) return location.reload(); // the session has ended, or something failed: the page says which
  document.getElementById("inbox").replaceWith(document.importNode(fresh, true));
  const same = document.getElementById(item.id);
  const next = answer.ok ? items()[Math.min(place, items().length - 1)] : same;
  (answer.ok ? next : next?.querySelector("input[name=reason]"))?.focus();
}

document.addEventListener("submit", (event) => {
  if (!event.target.matches("#inbox form.review")) return;
  event.preventDefault();
  const reason = event.target.elements.reason;
  if (event.submitter?.value === "DISMISSED" && !reason.value.trim()) return reason.focus();
  if (isSending) return; // what comes next is not in its place yet
  isSending = true;
  send(event.target, event.submitter)
    .catch(() => location.reload())
    .finally(() => { isSending = false; });
});

document.addEventListener("keydown", (event) => {
  if (!shortcuts.checked || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.matches("input, select, textarea")) {
    if (event.key === "Escape") current()?.focus();
    return;
  }
  if (event.repeat && !["j", "k"].includes(event.key)) return; // a key that is held says something of one alone
  const item = current();
  if (event.key === "j") go(1);
  else if (event.key === "k") go(-1);
  else if (event.key === "o") item?.querySelector("a.open").click();
  else if (event.key === "c") item?.querySelector("button[value=CONFIRMED]").click();
  else if (event.key === "d") item?.querySelector("input[name=reason]").focus();
  else return;
  event.preventDefault();
});
