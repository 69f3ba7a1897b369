'use strict';
// What a reader chose, in the address after #, so that a link shows the same again.
(() => {
  const harness = window.harness;
  const listeners = [];
  const read = () => {
    const hash = window.location.hash.slice(1);
    return new URLSearchParams(hash.includes('=') ? hash : '');
  };
  let values = read();

  const write = (change) => {
    const text = values.toString();
    // A fragment is all that may change in the address of a page from disk.
    window.history[change](null, '', text ? `#${text}` : window.location.pathname + window.location.search);
  };

  harness.state = {
    get: (name) => values.get(name),
    /** Names and values that begin with a prefix, which is cut off. */
    under: (prefix) =>
      [...values].filter(([name]) => name.startsWith(prefix)).map(([name, value]) => [name.slice(prefix.length), value]),
    /** Replace everything that begins with a prefix. */
    replace: (prefix, entries) => {
      for (const name of [...values.keys()]) if (name.startsWith(prefix)) values.delete(name);
      for (const [name, value] of entries) values.set(prefix + name, value);
      write('replaceState');
    },
    /** Choose something that "back" returns from; null drops a name. */
    visit: (entries) => {
      for (const [name, value] of Object.entries(entries)) {
        if (value === null) values.delete(name);
        else values.set(name, value);
      }
      write('pushState');
    },
    onChange: (listener) => listeners.push(listener),
  };

  window.addEventListener('hashchange', () => {
    const hash = window.location.hash.slice(1);
    if (hash && !hash.includes('=')) return; // a place on the page, nothing that was chosen
    values = read();
    for (const listener of listeners) listener();
  });
})();
