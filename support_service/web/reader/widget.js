/* The support block for articles: a custom element that upgrades the plain link or HTML inside it.
   No dependency, no cookie, no storage, no request of its own. If anything here fails, what the
   page already has inside the element stays as it is and keeps working. */
(() => {
  "use strict";
  const settings = /* settings */ {};

  if (!window.customElements || !("adoptedStyleSheets" in Document.prototype) || customElements.get("support-block")) {
    return;
  }

  // A constructed sheet passes the strictest style-src: it is neither inline nor fetched.
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(`
    :host {
      --paper: #fbfaf7; --ink: #1c1e1d; --muted: #5a5f5c; --line: #dedbd3; --accent: #14574a; --accent-ink: #ffffff;
      --wait-paper: #ffe2a8; --wait-ink: #3d2a00;
      display: block; container-type: inline-size; margin-block: 2rem;
      font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif;
      font-size: 1rem; line-height: 1.5; color: var(--ink); text-align: start;
    }
    :host([hidden]) { display: none; }
    @media screen and (prefers-color-scheme: dark) {
      :host(:not([theme="light"])) {
        --paper: #1b1e1d; --ink: #ebe9e3; --muted: #a8ada9; --line: #373c3a; --accent: #7cd0b8; --accent-ink: #08130f;
        --wait-paper: #4a3500; --wait-ink: #ffe2a8;
      }
    }
    :host([theme="dark"]) {
      --paper: #1b1e1d; --ink: #ebe9e3; --muted: #a8ada9; --line: #373c3a; --accent: #7cd0b8; --accent-ink: #08130f;
      --wait-paper: #4a3500; --wait-ink: #ffe2a8;
    }
    * { box-sizing: border-box; margin: 0; }
    section {
      background: var(--paper); border: 1px solid var(--line); border-block-start: 3px solid var(--accent);
      border-radius: 4px; padding: clamp(1.25rem, 5cqi, 2rem); display: grid; gap: 1rem;
    }
    .name { font-size: .8125rem; letter-spacing: .08em; text-transform: uppercase; color: var(--muted); }
    h2 {
      font-family: Charter, "Iowan Old Style", Palatino, Georgia, "Noto Serif", "DejaVu Serif", serif;
      font-size: clamp(1.375rem, 5cqi, 1.75rem); font-weight: 600; line-height: 1.2; text-wrap: balance;
    }
    .invitation { color: var(--muted); max-inline-size: 46ch; text-wrap: balance; }
    .go {
      display: inline-flex; align-items: center; justify-content: center; min-block-size: 48px; padding: .5rem 1.5rem;
      background: var(--accent); color: var(--accent-ink); border-radius: 4px; font-weight: 600; text-decoration: none;
      justify-self: start;
    }
    .go:hover { text-decoration: underline; text-underline-offset: .2em; }
    ul { list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: 0 1.25rem; }
    li a {
      display: inline-flex; align-items: center; min-block-size: 44px; color: var(--ink);
      text-decoration-color: var(--line); text-underline-offset: .3em; font-size: .9375rem;
    }
    li a:hover { text-decoration-color: currentColor; }
    a:focus-visible { outline: 3px solid var(--accent); outline-offset: 3px; }
    .demo {
      background: var(--wait-paper); color: var(--wait-ink); padding: .5rem .75rem; border-radius: 4px; font-weight: 600;
    }
    @media (prefers-reduced-motion: no-preference) { a { transition: text-decoration-color .15s; } }
    @container (max-width: 26rem) { .go { justify-self: stretch; } }
    :host([layout="compact"]) section { gap: .5rem; padding: 1rem 1.25rem; }
    :host([layout="compact"]) :is(.invitation, ul) { display: none; }
    @media print { .go, ul { display: none; } }
  `);

  class SupportBlock extends HTMLElement {
    static observedAttributes = ["lang", "article", "heading"];

    connectedCallback() { this.#show(); }

    attributeChangedCallback() { if (this.shadowRoot) this.#show(); }

    /* Build the block first and attach it last: a failure half way leaves the plain link visible. */
    #show() {
      const texts = settings.texts[this.#language()];
      const block = make("section", { part: "block", "aria-labelledby": "heading" }, [
        settings.isDemo && make("p", { class: "demo", part: "demo", role: "note" }, [texts.demo]),
        make("p", { class: "name", part: "name" }, [texts.name]),
        make("h2", { id: "heading", part: "heading" }, [this.getAttribute("heading") || texts.heading]),
        make("p", { class: "invitation", part: "invitation" }, [texts.invitation]),
        make("a", { class: "go", part: "button", href: this.#link(), target: "_top" }, [texts.button]),
        make("ul", { part: "ways", "aria-label": texts.waysLabel }, texts.ways.map((way) => make("li", {}, [
          make("a", { part: "way", href: this.#link(`#method-${way.key}`), target: "_top" }, [way.title]),
        ]))),
      ]);
      block.lang = this.#language();
      const root = this.shadowRoot || this.attachShadow({ mode: "open" });
      root.adoptedStyleSheets = [sheet];
      root.replaceChildren(block);
    }

    #language() {
      const wanted = [this.getAttribute("lang"), this.parentElement?.closest("[lang]")?.lang, settings.languages[0]];
      return wanted.map((lang) => (lang || "").slice(0, 2).toLowerCase()).find((lang) => settings.texts[lang]);
    }

    #link(anchor = "") {
      const query = new URLSearchParams({ lang: this.#language() });
      const article = this.#article();
      if (article) query.set("article", article);
      return `${settings.url}?${query}${anchor}`;
    }

    /* The article is what the attribute says, else the page's canonical address; never a fragment. */
    #article() {
      const named = this.getAttribute("article") || document.querySelector('link[rel="canonical"]')?.href;
      let url;
      try {
        url = new URL(named || location.href, document.baseURI);
      } catch {
        return "";
      }
      url.hash = "";
      const isWeb = url.protocol === "https:" || url.protocol === "http:";
      return isWeb && url.href.length <= settings.articleCharsMax ? url.href : "";
    }
  }

  function make(name, attributes, children) {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...children.filter(Boolean));
    return element;
  }

  customElements.define("support-block", SupportBlock);
})();
