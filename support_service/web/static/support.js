/* Enhances a page that is complete without it: copy buttons, and how the month goes. */
(() => {
  "use strict";
  const DONE_MILLISECONDS = 2000;
  const RENEW_MILLISECONDS = 60_000;
  const AGAIN_MILLISECONDS = 5000;
  const said = document.querySelector("[data-said]");

  for (const button of document.querySelectorAll("[data-copy]")) {
    button.hidden = false;
    button.addEventListener("click", () => copy(button));
  }
  const month = document.querySelector("[data-month]");
  if (month) renew(month);
  addEventListener("beforeprint", openDetails);

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

  /* The month comes afterwards and quietly: without it the page lacks nothing a reader needs. The server says in
     words how old it is; while the page is looked at, a newer one comes every minute. */
  async function renew(section) {
    try {
      if (!document.hidden) await show(section);
    } catch {
      // No connection just now: what stands there says when it was true.
    }
    setTimeout(() => renew(section), section.firstElementChild ? RENEW_MILLISECONDS : AGAIN_MILLISECONDS);
  }

  async function show(section) {
    const answer = await fetch(section.dataset.month, { credentials: "omit" });
    // Read in any case: an answer that nobody reads keeps its connection.
    const text = await answer.text();
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(text, "text/html").querySelector(".month-body");
    section.hidden = !fresh;
    section.replaceChildren(...(fresh ? [document.adoptNode(fresh)] : []));
  }

  /* Where a browser's style cannot open them, nothing may be missing on paper. */
  function openDetails() {
    for (const details of document.querySelectorAll(".folded")) details.open = true;
  }
})();
