'use strict';
// All comparisons of one chosen method, where a table has more methods than its matrix.
(() => {
  const { el, figure, load } = window.harness;
  const root = document.body.dataset.root;
  const WORDS = { '1': 'better', '-1': 'worse', 0: 'open' };

  const rowsOf = ({ methods, pairs }, chosen) =>
    pairs
      .filter(([one, other]) => one === chosen || other === chosen)
      .map(([one, other, difference, low, high, p, better]) =>
        one === chosen
          ? { name: methods[other], difference, low, high, p, better }
          : { name: methods[one], difference: -difference, low: high === null ? null : -high, high: low === null ? null : -low, p, better: -better });

  const table = (rows, name) =>
    el('div', { class: 'box', role: 'region', tabindex: '0', 'aria-label': 'Comparisons of one method' },
      el('table', { class: 'head1' },
        el('caption', {}, `${name} minus each other method`),
        el('thead', {}, el('tr', {}, ...['method', 'difference', 'from', 'to', 'adjusted p', 'verdict'].map((text) => el('th', { scope: 'col' }, text)))),
        el('tbody', {}, ...rows.map((row) =>
          el('tr', {}, el('th', { scope: 'row' }, row.name),
            ...[row.difference, row.low, row.high, row.p].map((value) => el('td', { class: 'num' }, value === null ? 'n/a' : figure(value))),
            el('td', { class: WORDS[row.better] }, WORDS[row.better]))))));

  const offer = (node, data) => {
    const place = node.querySelector('.one-of-all');
    const ranked = [...new Set(data.pairs.flatMap(([one, other]) => [one, other]))].sort((a, b) => a - b);
    const select = el('select', { id: `${node.dataset.name}-method` }, ...ranked.map((one) => el('option', { value: one }, data.methods[one])));
    const shown = el('div', { 'aria-live': 'polite' });
    const draw = () => shown.replaceChildren(table(rowsOf(data, Number(select.value)), data.methods[Number(select.value)]));
    select.addEventListener('change', draw);
    place.replaceChildren(el('p', {}, el('label', { for: select.id }, 'All pairs of '), select), shown);
    draw();
  };

  for (const node of document.querySelectorAll('details.pairs')) {
    node.addEventListener('toggle', () => {
      load(node.dataset.name, root + node.dataset.pairs).then(
        (data) => offer(node, data),
        (error) => node.querySelector('.one-of-all').replaceChildren(el('p', { class: 'problem' }, error.message)),
      );
    }, { once: true });
  }
})();
