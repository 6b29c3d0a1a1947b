"use strict";

document.addEventListener("htmx:configRequest", (event) => {
  event.detail.headers["X-CSRF-Token"] = document.querySelector("meta[name=csrf]").content;
});

document.querySelector("nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
