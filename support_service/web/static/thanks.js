/* Looks again while a gift is on its way; without it the page has a link that does the same. */
(() => {
  "use strict";
  const box = document.querySelector("[data-given]");
  // Quick at first, for cards; then as often as chains and banks are read, for two hours; then once a minute.
  const PAUSES = [...Array(15).fill(1000), ...Array(15).fill(4000), ...Array(600).fill(12000)];
  const LAST = 60000;
  let failures = 0;
  let timer = 0;
  if (box) {
    hideLink();
    wait();
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden && isWaiting()) look();
    });
  }

  /* What this script does by itself needs no link. */
  function hideLink() {
    for (const link of box.querySelectorAll("[data-by-hand]")) link.hidden = true;
  }

  function isWaiting() {
    return box.querySelector("[data-waits]") !== null;
  }

  function wait() {
    clearTimeout(timer);
    if (!isWaiting()) return;
    // Whoever does not answer is asked ever more seldom.
    const pause = Math.min((PAUSES.shift() ?? LAST) * 2 ** failures, LAST);
    timer = setTimeout(look, pause);
  }

  async function look() {
    clearTimeout(timer);
    try {
      const answer = await fetch(box.dataset.given, { headers: { Accept: "text/html" }, credentials: "omit" });
      failures = answer.ok ? 0 : failures + 1;
      if (answer.ok) show(await answer.text());
    } catch {
      // No connection just now: what stands there stays, and a later look may find one.
      failures += 1;
    }
    hideLink();
    wait();
  }

  /* Only a change is shown, so that it is read aloud once and a button keeps its focus. */
  function show(text) {
    const fresh = new DOMParser().parseFromString(text, "text/html").querySelector(".given");
    if (fresh && fresh.dataset.state !== box.querySelector(".given").dataset.state) {
      box.replaceChildren(document.adoptNode(fresh));
    }
  }
})();
