/* Looks again while a gift is on its way; without it the page has a link that does the same. */
(() => {
  "use strict";
  const box = document.querySelector("[data-given]");
  // Quick at first, for cards; then as often as chains are read. Together with a chain's own rest it is under half a
  // minute from a block to this page, for as long as somebody looks at it; once a minute where nobody does.
  const PAUSES = [...Array(15).fill(1000), ...Array(15).fill(4000)];
  const IN_VIEW = 12000;
  const MOST = 60000;
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
    const rest = document.hidden ? MOST : (PAUSES.shift() ?? IN_VIEW);
    // Whoever does not answer is asked ever more seldom.
    timer = setTimeout(look, Math.min(rest * 2 ** failures, MOST));
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
