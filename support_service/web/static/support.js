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
    if (!isCopied) return select(button.parentElement.querySelector(".value"));
    const label = button.dataset.label || button.textContent;
    button.dataset.label = label;
    button.textContent = button.dataset.done;
    said.textContent = `${button.dataset.done}: ${button.dataset.copy}`;
    clearTimeout(Number(button.dataset.timer));
    button.dataset.timer = setTimeout(() => {
      button.textContent = label;
      said.textContent = "";
    }, DONE_MILLISECONDS);
    return undefined;
  }

  async function write(text) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      // No clipboard (plain http, or refused): the value is selected instead, ready to copy by hand.
      return false;
    }
  }

  function select(element) {
    getSelection().selectAllChildren(element);
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
