// What pages do beyond links and forms. Everything here is a convenience: without it, each page works.
import { drawAll } from "./charts.js";

const root = document.documentElement;

function isDark() {
  return root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

function switchTheme() {
  root.dataset.theme = isDark() ? "light" : "dark";
  try { localStorage.setItem("tollkeeper-theme", root.dataset.theme); } catch { /* then it holds for this page */ }
  drawAll(document);
}

/** The filter bar applies each change at once, but for days, which change with each digit that is typed. */
function listenToFilters(form) {
  form.addEventListener("change", (event) => {
    const field = event.target;
    if (field.matches("[data-compare]")) form.elements.compare.disabled = field.checked;
    if (field.type !== "date") form.requestSubmit();
  });
  form.addEventListener("formdata", ({ formData }) => {
    const needless = formData.get("range") === "custom" ? [] : ["start", "end"];
    for (const [name, value] of [...formData]) if (!value || needless.includes(name)) formData.delete(name);
  });
}

/** A link to the page in the reader's own time zone, where that is another one. */
function offerLocalZone(link) {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const address = new URL(location.href);
  if (!zone || (address.searchParams.get("zone") || "UTC") === zone) return;
  address.searchParams.set("zone", zone);
  link.href = address;
  link.hidden = false;
}

/** Events of the server say what has changed; parts that show it ask for themselves (`hx-trigger="calls from:body"`). */
function listenToServer(path) {
  const events = new EventSource(path);
  for (const name of ["calls", "alerts", "limits"]) {
    events.addEventListener(name, () => {
      if (!document.hidden && !("paused" in document.body.dataset)) document.body.dispatchEvent(new CustomEvent(name));
    });
  }
  addEventListener("pagehide", () => events.close());
}

/** Drawers and dialogs are `<dialog>`; what htmx has put on the page is opened, and closed by Escape or its button. */
function openDialogs(within) {
  for (const dialog of within.querySelectorAll("dialog[data-open]")) {
    // Once: when another part of the page is shown anew, one that was closed stays so.
    dialog.removeAttribute("data-open");
    dialog.showModal();
  }
}

function onClick(event) {
  const target = event.target.closest("[data-theme-switch], [data-close], [data-dialog], [data-copy], [data-pause]");
  if (!target) {
    if (event.target instanceof HTMLDialogElement) event.target.close();
    return;
  }
  const is = target.dataset;
  if ("themeSwitch" in is) switchTheme();
  else if ("close" in is) target.closest("dialog").close();
  else if ("dialog" in is) { event.preventDefault(); document.getElementById(is.dialog).showModal(); }
  else if ("copy" in is) navigator.clipboard.writeText(document.getElementById(is.copy).textContent);
  else if ("pause" in is) pause(target);
}

function pause(button) {
  const paused = !("paused" in document.body.dataset);
  if (paused) document.body.dataset.paused = ""; else delete document.body.dataset.paused;
  button.setAttribute("aria-pressed", String(paused));
  button.textContent = paused ? "Resume" : "Pause";
}

/** An open menu closes when one looks elsewhere. */
function closeMenus(event) {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
}

function onKey(event) {
  if (event.key === "Escape") for (const menu of document.querySelectorAll("details.menu[open]")) menu.open = false;
}

document.addEventListener("click", onClick);
document.addEventListener("click", closeMenus);
document.addEventListener("keydown", onKey);
document.addEventListener("htmx:after:swap", () => { drawAll(document); openDialogs(document); });
document.querySelectorAll("[data-filters]").forEach(listenToFilters);
document.querySelectorAll("[data-local-zone]").forEach(offerLocalZone);
if (document.body.dataset.live) listenToServer(document.body.dataset.live);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawAll(document));
openDialogs(document);
drawAll(document);
root.dataset.ready = "";
