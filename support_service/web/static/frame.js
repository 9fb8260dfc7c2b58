/* Tells the page around the frame how high the frame is, so that nothing scrolls inside. Only a page that may frame us
   is told, by its exact origin: the browser says it in the referrer. */
(() => {
  "use strict";
  const block = document.querySelector("[data-sites]");
  const origin = around();
  if (!origin || parent === window) return;
  new ResizeObserver(tell).observe(document.body);

  function around() {
    try {
      const { origin, protocol } = new URL(document.referrer);
      const sites = block.dataset.sites.split(" ").filter(Boolean);
      return (sites.length ? sites.includes(origin) : protocol === "https:") ? origin : "";
    } catch {
      return "";
    }
  }

  function tell() {
    parent.postMessage({ supportHeight: Math.ceil(document.documentElement.getBoundingClientRect().height) }, origin);
  }
})();
