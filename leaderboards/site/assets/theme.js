'use strict';
// Loaded in the head, before anything is drawn, so that a chosen theme never flashes.
(() => {
  const names = { light: 'Light theme', dark: 'Dark theme' };
  const read = () => {
    try {
      return localStorage.getItem('harness-theme');
    } catch {
      return null; // refused where pages may not keep anything
    }
  };
  const keep = (theme) => {
    try {
      localStorage.setItem('harness-theme', theme);
    } catch {
      // it then holds for this page only
    }
  };
  const root = document.documentElement;
  const system = window.matchMedia('(prefers-color-scheme: dark)');
  const current = () => root.dataset.theme || (system.matches ? 'dark' : 'light');
  const chosen = read();
  if (chosen in names) root.dataset.theme = chosen;

  document.addEventListener('DOMContentLoaded', () => {
    const button = document.getElementById('theme');
    const label = () => {
      button.textContent = names[current() === 'dark' ? 'light' : 'dark'];
    };
    button.hidden = false;
    button.addEventListener('click', () => {
      root.dataset.theme = current() === 'dark' ? 'light' : 'dark';
      keep(root.dataset.theme);
      label();
    });
    system.addEventListener('change', label);
    label();
    // The state of tables lives in the address, which a link to #main would throw away.
    document.querySelector('.skip')?.addEventListener('click', (event) => {
      event.preventDefault();
      const main = document.getElementById('main');
      main.tabIndex = -1;
      main.focus();
    });
    window.addEventListener('beforeprint', () => {
      for (const one of document.querySelectorAll('details')) one.open = true;
    });
  });
})();
