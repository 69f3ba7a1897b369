'use strict';
// Elements from plain texts, and data from scripts. Nothing here or elsewhere parses markup.
window.harness = {};
(() => {
  const harness = window.harness;
  const SVG = 'http://www.w3.org/2000/svg';
  // What Python's str.isprintable refuses: the page shows it as the same escape as the terminal.
  const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}]|(?! )\p{Zs}/gu;
  const KNOWN = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

  const escaped = (letter) => {
    if (letter in KNOWN) return KNOWN[letter];
    const code = letter.codePointAt(0);
    const digits = code.toString(16);
    if (code < 0x100) return `\\x${digits.padStart(2, '0')}`;
    return code < 0x10000 ? `\\u${digits.padStart(4, '0')}` : `\\U${digits.padStart(8, '0')}`;
  };

  /** A text of one line in which nothing is obeyed or reordered. */
  harness.clean = (text) => String(text).replace(UNPRINTABLE, escaped);

  /** The same of many lines. */
  harness.cleanLines = (text) =>
    String(text).replaceAll('\t', '    ').split('\n').map(harness.clean).join('\n');

  /** A text of one line, cut. */
  harness.short = (text, most = 120) => {
    const whole = String(text);
    const kept = harness.clean(whole.slice(0, most));
    return whole.length > most ? `${kept} … (${whole.length.toLocaleString('en')} letters)` : kept;
  };

  const fill = (node, attributes, children) => {
    for (const [name, value] of Object.entries(attributes)) {
      if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value);
    }
    node.append(...children.filter((one) => one !== null && one !== undefined));
    return node;
  };

  /** An element; children are nodes and texts. */
  harness.el = (tag, attributes = {}, ...children) =>
    fill(document.createElement(tag), attributes, children);

  harness.svg = (tag, attributes = {}, ...children) =>
    fill(document.createElementNS(SVG, tag), attributes, children);

  harness.button = (text, action, attributes = {}) => {
    const button = harness.el('button', { type: 'button', ...attributes }, text);
    button.addEventListener('click', action);
    return button;
  };

  /** A figure as pages write it: .42, 1,204. */
  harness.figure = (value) => {
    if (typeof value !== 'number' || !Number.isFinite(value)) return value === null || value === undefined ? '' : harness.short(value);
    const size = Math.abs(value);
    if (Number.isInteger(value)) return value.toLocaleString('en');
    if (size >= 1000) return Math.round(value).toLocaleString('en');
    if (size >= 100) return value.toFixed(1);
    if (size < 0.00095) return value.toExponential(1);
    return value.toFixed(size >= 0.0995 ? 2 : 3).replace(/^(-?)0\./, '$1.');
  };

  const BLOCK = 2000;
  /** A text of many lines; a long one opens on request. */
  harness.block = (text) => {
    const whole = harness.cleanLines(text);
    const pre = harness.el('pre', {}, whole.slice(0, BLOCK));
    if (whole.length <= BLOCK) return pre;
    const more = harness.button(
      `Show more (${whole.length.toLocaleString('en')} letters)`,
      () => {
        const open = more.getAttribute('aria-expanded') === 'true';
        pre.textContent = open ? whole.slice(0, BLOCK) : whole;
        more.textContent = open ? `Show more (${whole.length.toLocaleString('en')} letters)` : 'Show less';
        more.setAttribute('aria-expanded', String(!open));
      },
      { 'aria-expanded': 'false', class: 'more' },
    );
    return harness.el('div', { class: 'block' }, pre, more);
  };

  // A page from disk may not send requests, but it may load scripts beside it.
  const waiting = new Map();
  const urls = window.trustedTypes
    ? window.trustedTypes.createPolicy('harness-chunks', {
        createScriptURL: (url) => {
          if (/^(\.\.\/)?data\/[A-Za-z0-9._/-]+\.js$/.test(url) && !url.slice(3).includes('..')) return url;
          throw new TypeError(`no data of this site: ${url}`);
        },
      })
    : { createScriptURL: (url) => url };

  window.harnessChunk = (name, value) => {
    const found = waiting.get(name);
    if (found) found.resolve(value);
  };

  /** The value that a script hands over. */
  harness.load = (name, url) => {
    const known = waiting.get(name);
    if (known) return known.promise;
    const entry = {};
    entry.promise = new Promise((resolve, reject) => {
      entry.resolve = resolve;
      const node = document.createElement('script');
      node.addEventListener('error', () => {
        waiting.delete(name);
        reject(new Error(`${url} could not be loaded`));
      });
      waiting.set(name, entry);
      node.src = urls.createScriptURL(url);
      document.head.append(node);
    });
    return entry.promise;
  };
})();
