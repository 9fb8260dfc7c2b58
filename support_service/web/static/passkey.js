/* Asks the browser for a passkey, puts its answer into the form, and sends that; without it the form stays hidden. */
(() => {
  "use strict";
  if (!window.PublicKeyCredential) return;
  for (const form of document.querySelectorAll("form[data-passkey]")) {
    form.hidden = false;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (form.reportValidity()) ask(form);
    });
  }

  async function ask(form) {
    const told = form.querySelector("[data-refused]");
    const button = form.querySelector("button");
    told.hidden = true;
    button.disabled = true;
    try {
      const publicKey = read(JSON.parse(form.dataset.options));
      const isNew = form.dataset.passkey === "create";
      const key = await (isNew ? navigator.credentials.create({ publicKey }) : navigator.credentials.get({ publicKey }));
      form.elements.answer.value = JSON.stringify(written(key));
      form.submit();
    } catch {
      told.hidden = false;
      button.disabled = false;
      button.focus();
    }
  }

  /* What stands in the options as base64url is bytes. */
  function read(options) {
    options.challenge = bytes(options.challenge);
    if (options.user) options.user.id = bytes(options.user.id);
    for (const one of options.excludeCredentials || []) one.id = bytes(one.id);
    return options;
  }

  function written(key) {
    const response = {};
    for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
      if (key.response[name]) response[name] = text(key.response[name]);
    }
    return { id: key.id, rawId: text(key.rawId), type: key.type, response };
  }

  function bytes(base64) {
    const plain = atob(base64.replaceAll("-", "+").replaceAll("_", "/"));
    return Uint8Array.from(plain, (sign) => sign.charCodeAt(0));
  }

  function text(buffer) {
    const plain = Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join("");
    return btoa(plain).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  }
})();
