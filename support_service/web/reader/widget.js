/* The support block for articles: a custom element that upgrades the plain HTML inside it. No dependency, no cookie,
   no storage, and no request before a reader asks for a code, but for one that counts where the publisher counts views:
   it says which article and place, and nothing of the reader. If anything here fails, what the page already has
   inside the element stays as it is and keeps working. */
(() => {
  "use strict";
  const settings = /* settings */ {};
  const DONE_MILLISECONDS = 2000;
  // Wide enough to lie open; narrower it is a phone's column.
  const WIDE_PIXELS = 560;
  const HEIGHT_PIXELS_MAX = 4000;
  /* counting */
  const SEEN_SHARE = 0.5;
  const AS_NOBODY = { method: "POST", mode: "no-cors", credentials: "omit", referrerPolicy: "no-referrer", keepalive: true };
  /* counted */

  if (!window.customElements || !("adoptedStyleSheets" in Document.prototype) || customElements.get("support-block")) {
    return;
  }

  // A constructed sheet passes the strictest style-src: it is neither inline nor fetched.
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(`
    :host {
      --_paper: var(--support-paper, #fbfaf7); --_ink: var(--support-ink, #1c1e1d); --_muted: #5a5f5c; --_line: #dedbd3;
      --_accent: var(--support-accent, ${settings.light.accent}); --_accent-ink: var(--support-accent-ink, #fff);
      --_wait-paper: #ffe2a8; --_wait-ink: #3d2a00;
      display: block; container-type: inline-size; margin-block: 2rem;
      font: 1rem/1.5 var(--support-font, system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif);
      color: var(--_ink); text-align: start;
    }
    :host([hidden]) { display: none; }
    @media screen and (prefers-color-scheme: dark) {
      :host(:not([theme="light"])) {
        --_paper: var(--support-paper, #1b1e1d); --_ink: var(--support-ink, #ebe9e3); --_muted: #a8ada9; --_line: #373c3a;
        --_accent: var(--support-accent, ${settings.dark.accent}); --_accent-ink: var(--support-accent-ink, #08130f);
        --_wait-paper: #4a3500; --_wait-ink: #ffe2a8;
      }
    }
    :host([theme="dark"]) {
      --_paper: var(--support-paper, #1b1e1d); --_ink: var(--support-ink, #ebe9e3); --_muted: #a8ada9; --_line: #373c3a;
      --_accent: var(--support-accent, ${settings.dark.accent}); --_accent-ink: var(--support-accent-ink, #08130f);
      --_wait-paper: #4a3500; --_wait-ink: #ffe2a8;
    }
    * { box-sizing: border-box; margin: 0; }
    section {
      background: var(--_paper); border: 1px solid var(--_line); border-block-start: 3px solid var(--_accent);
      border-radius: 4px; padding: clamp(1rem, 4cqi, 1.5rem); display: grid; gap: .5rem;
    }
    h2 { font: 600 1.25rem/1.25 Charter, "Iowan Old Style", Palatino, Georgia, "Noto Serif", "DejaVu Serif", serif; }
    h3 { font: 600 .9375rem/1.4 inherit; font-size: .9375rem; }
    .invitation, .note, dt, .said { color: var(--_muted); font-size: .9375rem; }
    a, button, summary { color: var(--_accent); font: inherit; font-size: .9375rem; text-underline-offset: .25em; }
    .amounts { display: flex; flex-wrap: wrap; align-items: center; gap: .25rem .5rem; }
    .often { flex: 1 0 5rem; font-size: .9375rem; color: var(--_muted); }
    .sums { flex: 1 0 max-content; max-inline-size: 100%; display: flex; flex-wrap: wrap; gap: .5rem; }
    .amount, .go {
      flex: 1 0 max-content; min-inline-size: 3.75rem; display: inline-flex; align-items: center; justify-content: center; min-block-size: 44px;
      padding: .25rem; border: 1px solid var(--_accent); border-radius: 4px; font-weight: 600; white-space: nowrap;
      text-decoration: none;
    }
    .go { background: var(--_accent); color: var(--_accent-ink); padding-inline: 1.25rem; white-space: normal; }
    .amount:hover { background: var(--_accent); color: var(--_accent-ink); }
    .go:hover, summary:hover { text-decoration: underline; }
    summary { display: flex; align-items: center; gap: .5ch; min-block-size: 44px; cursor: pointer; list-style: none; }
    summary::-webkit-details-marker { display: none; }
    summary::before { content: "+"; inline-size: 1ch; font-weight: 600; }
    [open] > summary::before { content: "−"; }
    .way { border-block-start: 1px solid var(--_line); padding-block: .5rem; display: grid; gap: .25rem; }
    .pair { display: flex; align-items: center; gap: .5rem; }
    .pair dl { flex: 1; min-inline-size: 0; }
    dd { font-weight: 500; overflow-wrap: anywhere; user-select: all; -webkit-user-select: all; }
    dd.number { font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: .9375rem; }
    button { flex: none; min-block-size: 44px; padding: .25rem .5rem; border: 0; background: none; font-weight: 600; cursor: pointer; }
    .acts { display: flex; flex-wrap: wrap; align-items: center; gap: 0 1rem; }
    .acts a, .all { display: inline-flex; align-items: center; min-block-size: 44px; }
    img { display: block; inline-size: min(100%, 272px); aspect-ratio: 1; background: #fff; }
    :is(a, button, summary):focus-visible { outline: 3px solid var(--_accent); outline-offset: 2px; }
    .demo { background: var(--_wait-paper); color: var(--_wait-ink); padding: .5rem .75rem; border-radius: 4px; font-weight: 600; }
    :host([layout="bar"]) section { grid-template-columns: minmax(0, 1fr) auto; align-items: center; }
    @container (max-width: 34rem) { :host([layout="bar"]) section { grid-template-columns: minmax(0, 1fr); } }
    @media (forced-colors: active) { button { border: 0; } img { forced-color-adjust: none; } }
    @media print { button, .amounts, .go, summary { display: none; } details::details-content { content-visibility: visible; display: block; } }
  `);

  class SupportBlock extends HTMLElement {
    static observedAttributes = ["lang", "article", "article-title", "placement", "heading", "layout"];

    connectedCallback() {
      this.#show();
      /* counting */
      if (!this.hidden) this.#countOnce();
      /* counted */
    }

    attributeChangedCallback() { if (this.shadowRoot) this.#show(); }

    /* counting */
    /* It was seen when half of it stood in the window; whoever asks not to be counted is not. */
    #countOnce() {
      if (navigator.globalPrivacyControl || !window.IntersectionObserver) return;
      const eye = new IntersectionObserver((seen) => {
        if (!seen.some((one) => one.isIntersecting)) return;
        eye.disconnect();
        const query = this.#of();
        if (query.has("article")) fetch(`${settings.url}/seen?${query}`, AS_NOBODY).catch(() => {});
      }, { threshold: SEEN_SHARE });
      eye.observe(this);
    }
    /* counted */

    /* Build the block first and attach it last: a failure half way leaves the plain HTML visible. */
    #show() {
      const tone = document.querySelector('meta[name="support-block"]')?.content;
      if (tone === "hide") {
        this.hidden = true;
        return;
      }
      const lang = this.#language();
      const block = make("section", { part: "block", "aria-labelledby": "heading" }, this.#parts(settings.texts[lang], tone));
      block.lang = lang;
      const root = this.shadowRoot || this.attachShadow({ mode: "open" });
      root.adoptedStyleSheets = [sheet];
      root.replaceChildren(block);
    }

    /* A story that asks for tact gets the numbers alone, folded: no sums, no invitation. */
    #parts(texts, tone) {
      const layout = this.getAttribute("layout");
      const isFull = layout !== "button" && layout !== "bar";
      const isSoft = tone === "soft";
      return [
        settings.isDemo && make("p", { class: "demo", part: "demo", role: "note" }, [texts.demo]),
        make("h2", { id: "heading", part: "heading", hidden: layout === "button" }, [this.getAttribute("heading") || texts.heading]),
        layout !== "button" && layout !== "compact" && !isSoft && make("p", { class: "invitation", part: "invitation" }, [texts.invitation]),
        ...(isSoft || layout === "button" ? [] : texts.often.slice(0, isFull ? 2 : 1).map((often) => this.#amounts(often, texts))),
        (layout === "button" || !texts.often.length) && make("a", { class: "go", part: "button", href: this.#link(), target: "_top" }, [texts.button]),
        isFull && this.#transfers(texts, !isSoft && layout !== "compact"),
        isFull && make("a", { class: "all", part: "all", href: this.#link(), target: "_top" }, [`${texts.name} · ${texts.check}`]),
        isFull && make("p", { class: "said", role: "status" }, []),
      ];
    }

    #amounts(often, texts) {
      return make("p", { class: "amounts", part: "amounts" }, [
        make("span", { class: "often" }, [often.label]),
        make("span", { class: "sums" }, often.amounts.map(([text, query]) =>
          make("a", { class: "amount", part: "amount", href: this.#link("", texts.goes_to, query), target: "_top" }, [text]))),
      ]);
    }

    #transfers(texts, mayOpen) {
      return make("details", { part: "transfers", open: mayOpen && (this.parentElement?.clientWidth ?? 0) >= WIDE_PIXELS }, [
        make("summary", {}, [`${texts.transfer}: ${texts.names.join("\u00a0· ")}`]),
        ...texts.ways.map((way) => this.#way(way, texts)),
      ]);
    }

    #way(way, texts) {
      const code = make("div", {}, []);
      return make("div", { class: "way", part: "way" }, [
        make("h3", {}, [way.title]),
        ...way.values.map((value) => make("div", { class: "pair" }, [
          make("dl", {}, [make("dt", {}, [value.label]), make("dd", { translate: "no", class: /^[\w ]+$/.test(value.shown) && "number" }, [value.shown])]),
          this.#copyButton(value, way, texts),
        ])),
        way.note && make("p", { class: "note" }, [way.note]),
        make("p", { class: "acts" }, [
          way.link && make("a", { href: way.link, target: "_top" }, [way.label]),
          way.has_code && this.#codeButton(way, texts, code),
        ]),
        code,
      ]);
    }

    #copyButton(value, way, texts) {
      const name = `${value.label}, ${way.title}`;
      const button = make("button", { type: "button", part: "copy", "aria-label": `${texts.copy}: ${name}` }, [texts.copy]);
      button.addEventListener("click", async () => {
        let said = texts.copied;
        try {
          await navigator.clipboard.writeText(value.copied);
        } catch {
          said = texts.refused;
          getSelection().selectAllChildren(button.parentNode.querySelector("dd"));
        }
        this.shadowRoot.querySelector(".said").textContent = `${said}: ${name}`;
        if (said !== texts.copied) return;
        button.textContent = said;
        button.setAttribute("aria-label", `${said}: ${name}`);
        setTimeout(() => {
          button.textContent = texts.copy;
          button.setAttribute("aria-label", `${texts.copy}: ${name}`);
        }, DONE_MILLISECONDS);
      });
      return button;
    }

    /* The code is asked for by this press alone; where the page lets no picture of ours in, our own page has it. */
    #codeButton(way, texts, place) {
      const button = make("button", { type: "button", "aria-expanded": "false", "aria-label": `${texts.code}: ${way.title}` }, ["QR"]);
      button.addEventListener("click", () => {
        const isShown = place.hasChildNodes();
        button.setAttribute("aria-expanded", String(!isShown));
        if (isShown) {
          place.replaceChildren();
          return;
        }
        const image = make("img", { src: `${settings.url}/qr/${way.key}.svg`, alt: `${texts.code}: ${way.title}`, width: 272, height: 272 }, []);
        image.addEventListener("error", () => place.replaceChildren(
          make("a", { href: this.#link(`#method-${way.key}`), target: "_top" }, [`${texts.code}: ${way.title}`])));
        place.replaceChildren(image);
      });
      return button;
    }

    #language() {
      const wanted = [this.getAttribute("lang"), this.parentElement?.closest("[lang]")?.lang, settings.languages[0]];
      return wanted.map((lang) => (lang || "").slice(0, 2).toLowerCase()).find((lang) => settings.texts[lang]);
    }

    #link(anchor = "", page = "support", chosen = {}) {
      const query = this.#of({ lang: this.#language(), ...chosen });
      const title = query.has("article") && this.#title();
      if (title) query.set("title", title);
      return `${settings.url}/${page}?${query}${anchor}`;
    }

    /* Which article and which of its blocks; nothing where the page is none. */
    #of(chosen = {}) {
      const query = new URLSearchParams(chosen);
      const article = this.#article();
      const placement = article && this.getAttribute("placement");
      if (article) query.set("article", article);
      if (placement) query.set("placement", placement);
      return query;
    }

    /* What the article is called: by the attribute, else by the page, where the page itself is the article. */
    #title() {
      const own = this.hasAttribute("article") ? "" : document.querySelector('meta[property="og:title"]')?.content || document.title;
      return [...(this.getAttribute("article-title") || own).trim()].slice(0, settings.titleCharsMax).join("");
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

  /* A frame of ours says how high it is: believed from our origin alone, and of that very frame alone. */
  addEventListener("message", (event) => {
    if (event.origin !== settings.origin) return;
    const height = event.data?.supportHeight;
    if (!Number.isInteger(height) || height < 1 || height > HEIGHT_PIXELS_MAX) return;
    for (const frame of document.querySelectorAll("iframe")) {
      if (frame.contentWindow === event.source) frame.height = height;
    }
  });

  function make(name, attributes, children) {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (value !== false && value !== "") element.setAttribute(key, value === true ? "" : value);
    }
    element.append(...children.filter(Boolean));
    return element;
  }

  customElements.define("support-block", SupportBlock);
})();
