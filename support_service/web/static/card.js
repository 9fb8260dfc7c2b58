/* Presses the button when the moment is over; without it the page has the button, and says when to press. */
(() => {
  "use strict";
  const form = document.querySelector("[data-goes-on-after]");
  if (form) setTimeout(() => form.requestSubmit(), Number(form.dataset.goesOnAfter) * 1000);
})();
