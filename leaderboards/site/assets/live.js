'use strict';
// Runs that are under way, asked of the server that hands out this page. Only served pages have it.
(() => {
  const { el, figure, short } = window.harness;
  const section = document.getElementById('live');
  if (!section) return;
  const body = document.getElementById('live-body');
  const note = document.getElementById('live-state');
  const EVERY = 2000;
  const HEADERS = ['method', 'task', 'subset', 'done', 'progress', 'score so far', 'run'];
  let first = null;
  let said = '';

  const say = (...nodes) => {
    const text = nodes.map((one) => one.textContent ?? one).join('');
    if (text === said) return; // readers of the screen hear a change once
    said = text;
    note.replaceChildren(...nodes);
  };

  const line = (run) =>
    el('tr', {},
      el('th', { scope: 'row' }, short(run.method)),
      el('td', {}, short(run.task)),
      el('td', {}, short(run.subset)),
      el('td', { class: 'num' }, `${figure(run.n_done)} of ${figure(run.n_planned)}${run.n_error ? `, ${figure(run.n_error)} errors` : ''}`),
      el('td', {}, el('progress', { max: Math.max(run.n_planned, 1), value: run.n_done, 'aria-label': `Progress of ${short(run.method)}` })),
      el('td', { class: 'num' }, run.score === null ? 'n/a' : figure(run.score)),
      el('td', { class: 'id' }, short(run.run_id)));

  const draw = (runs) => {
    section.hidden = !runs.length && !said;
    if (!runs.length) return body.replaceChildren();
    return body.replaceChildren(
      el('div', { class: 'box', role: 'region', 'aria-label': 'Running now', tabindex: '0' },
        el('table', { class: 'head1' }, el('caption', {}, 'Runs under way'),
          el('thead', {}, el('tr', {}, ...HEADERS.map((text) => el('th', { scope: 'col' }, text)))),
          el('tbody', {}, ...runs.map(line)))));
  };

  const ask = async () => {
    try {
      const answer = await fetch('/live.json', { cache: 'no-store' });
      if (!answer.ok) throw new Error(answer.statusText);
      const now = await answer.json();
      first ??= now.built;
      if (now.problem) say(short(now.problem, 300));
      else if (now.built !== first) say('There are new results. ', window.harness.button('Show them', () => window.location.reload()));
      else say('');
      const task = section.dataset.task;
      draw(now.running.filter((run) => !task || run.task === task));
    } catch {
      say('The server does not answer; the page stays as it is.');
      section.hidden = false;
    }
    setTimeout(ask, EVERY);
  };
  ask();
})();
