/* Tells the page around the frame how high the frame is, so that nothing scrolls inside. Only a page that may frame us
   is told, by its exact origin: the browser says it in the referrer.
   WordPress hides a frame until it tells its height in WordPress's own words, with the secret from its address, and
   shuts it in so that no link in it leads anywhere; a link is followed where it is told one. */
(() => {
  "use strict";
  const block = document.querySelector("[data-sites]");
  const origin = around();
  if (!origin || parent === window) return;
  const secret = /^#\?secret=([0-9A-Za-z]{1,40})$/.exec(location.hash)?.[1];
  new ResizeObserver(tell).observe(document.body);
  // A frame that is hidden until it has spoken is not drawn, and nothing is observed in it.
  tell();
  if (secret) {
    addEventListener("message", (event) => {
      if (event.source === parent && event.origin === origin && event.data?.message === "ready") tell();
    });
    document.addEventListener("click", (event) => {
      const link = event.target.closest("a[href]");
      if (!link) return;
      event.preventDefault();
      parent.postMessage({ message: "link", value: link.href, secret }, origin);
    });
  }

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
    const height = Math.ceil(document.documentElement.getBoundingClientRect().height);
    parent.postMessage({ supportHeight: height }, origin);
    if (secret) parent.postMessage({ message: "height", value: height, secret }, origin);
  }
})();
