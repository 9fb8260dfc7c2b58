/* Looks again while a gift is on its way; without it the page has a link that does the same. */
(() => {
  "use strict";
  const box = document.querySelector("[data-given]");
  // Quick at first, then slower: after about ten minutes a reader has gone, or reloads by hand.
  const PAUSES = [...Array(15).fill(1000), ...Array(30).fill(4000), ...Array(30).fill(15000)];
  if (box) {
    hideLink();
    wait();
  }

  /* What this script does by itself needs no link. */
  function hideLink() {
    for (const link of box.querySelectorAll("[data-by-hand]")) link.hidden = PAUSES.length > 0;
  }

  function wait() {
    if (box.querySelector("[data-waits]") && PAUSES.length) setTimeout(look, PAUSES.shift());
  }

  async function look() {
    try {
      const answer = await fetch(box.dataset.given, { headers: { Accept: "text/html" }, credentials: "omit" });
      if (answer.ok) show(await answer.text());
    } catch {
      // No connection just now: what stands there stays, and the next look may find one.
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
