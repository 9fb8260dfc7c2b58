/* A wallet in this browser signs the text that the page shows, at a press; without one the signature is pasted. */
(() => {
  "use strict";
  const place = document.querySelector("[data-sign]");
  const wallet = window.ethereum;
  if (!place || !wallet) return;
  const text = document.querySelector("[data-text]").textContent;
  place.hidden = false;
  place.querySelector("button").addEventListener("click", async () => {
    const told = document.querySelector("[data-unsigned]");
    told.hidden = true;
    try {
      const [account] = await wallet.request({ method: "eth_requestAccounts" });
      const bytes = [...new TextEncoder().encode(text)].map((byte) => byte.toString(16).padStart(2, "0"));
      const form = place.closest("form");
      form.elements.signature.value = await wallet.request({ method: "personal_sign", params: [`0x${bytes.join("")}`, account] });
      form.requestSubmit();
    } catch {
      told.hidden = false;
    }
  });
})();
