"use strict";

const told = document.querySelector("#link");

async function invite() {
  const options = { method: "POST", headers: { "Content-Type": "application/json" }, body: "{}" };
  try {
    const response = await fetch("/operators/invite", options);
    const answer = await response.json();
    told.textContent = response.ok ? `${answer.link} works once, for a day.` : answer.error;
  } catch {
    told.textContent = "The console cannot be reached; is it still running?";
  }
}

document.querySelector("#invite").addEventListener("click", invite);
