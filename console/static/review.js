"use strict";

const FIELDS = "input:not([type=checkbox]), textarea, select";
const page = document.documentElement;

function use(element) {
  if (element.matches(FIELDS)) {
    element.focus();
    if (element.matches("textarea")) element.setSelectionRange(element.value.length, element.value.length);
  } else {
    element.click();
  }
}

page.addEventListener("keydown", (event) => {
  const field = event.target.closest(FIELDS);
  if (field && event.key === "Escape") field.blur();
  if (field && event.key === "Enter" && (event.ctrlKey || event.metaKey) && field.dataset.submit) {
    document.querySelector(field.dataset.submit).click();
  }
  if (field || event.ctrlKey || event.metaKey || event.altKey || event.repeat || document.querySelector("dialog[open]")) return;
  const wanted = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
  if (!wanted || wanted.disabled) return;
  event.preventDefault();
  use(wanted);
});

page.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-opens]");
  if (opener) document.querySelector(opener.dataset.opens).showModal();
});

window.addEventListener("pagehide", () => {
  const claim = document.querySelector("[data-leave]");
  const csrf = document.querySelector("meta[name=csrf]").content;
  if (claim) navigator.sendBeacon(claim.dataset.leave, new URLSearchParams({ csrf }));
});
