/* Enhances a page that is complete without it: copy buttons, and what was received so far. */
(() => {
  "use strict";
  const DONE_MILLISECONDS = 2000;
  const said = document.querySelector("[data-said]");

  for (const button of document.querySelectorAll("[data-copy]")) {
    button.hidden = false;
    button.addEventListener("click", () => copy(button));
  }
  const received = document.querySelector("[data-totals]");
  if (received) showTotals(received).catch(() => { received.hidden = true; });

  async function copy(button) {
    const isCopied = await write(button.dataset.copy);
    const pair = button.closest(".pair");
    pair.querySelector(".refused")?.remove();
    if (isCopied) sayCopied(button);
    else sayRefused(button, pair);
  }

  function sayCopied(button) {
    const { done, copy: text, name } = button.dataset;
    button.dataset.text ||= button.textContent;
    button.dataset.label ||= button.getAttribute("aria-label");
    button.textContent = done;
    button.setAttribute("aria-label", `${done}: ${name}`);
    said.textContent = `${done}: ${text}`;
    clearTimeout(Number(button.dataset.timer));
    button.dataset.timer = setTimeout(() => {
      button.textContent = button.dataset.text;
      button.setAttribute("aria-label", button.dataset.label);
      said.textContent = "";
    }, DONE_MILLISECONDS);
  }

  /* Said aloud and written down, and the value is selected for a hand to copy. */
  function sayRefused(button, pair) {
    const { refused } = said.dataset;
    const written = document.createElement("p");
    written.className = "refused note";
    written.textContent = refused;
    pair.append(written);
    said.textContent = `${button.dataset.name}. ${refused}`;
    getSelection().selectAllChildren(pair.querySelector(".value"));
  }

  async function write(text) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      // No clipboard: plain http, or a browser inside another app that refuses it.
      return false;
    }
  }

  /* Totals come afterwards and quietly: without them the page lacks nothing a reader needs. */
  async function showTotals(section) {
    const answer = await fetch(section.dataset.totals, { credentials: "omit" });
    const { totals = [], sources = [] } = await answer.json();
    const sums = totals.filter((total) => BigInt(total.units) > 0n);
    if (!sums.length) return;
    section.querySelector("ul").replaceChildren(...sums.map((total) => {
      const item = document.createElement("li");
      const amount = document.createElement("strong");
      amount.translate = false;
      amount.textContent = spaced(total.amount, document.documentElement.lang);
      item.append(amount, ` ${total.asset}`);
      item.append(note(document.getElementById(`title-${total.method}`)?.textContent ?? total.method));
      return item;
    }));
    const ages = sources.map((source) => source.age_seconds).filter((age) => age !== null);
    const checked = section.querySelector("[data-checked]");
    checked.textContent = ages.length ? checked.dataset.checked.replace("{seconds}", Math.max(...ages)) : "";
    section.hidden = false;
  }

  function note(text) {
    const small = document.createElement("small");
    small.textContent = text;
    return small;
  }

  /* Group the whole part for eyes; the digits stay text, so no rounding can creep in. */
  function spaced(amount, lang) {
    const [whole, fraction] = amount.split(".");
    const grouped = whole.replace(/\B(?=(\d{3})+$)/g, lang === "uk" ? "\u00a0" : ",");
    return fraction ? grouped + (lang === "uk" ? "," : ".") + fraction : grouped;
  }
})();
