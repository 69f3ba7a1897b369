'use strict';
// Search, sort, filter and choice of columns for tables. Their rows stay the ones that the page
// came with: what TanStack Table decides is only which are shown, and in which order.
(() => {
  const { el, button, state } = window.harness;
  const harness = window.harness;
  const { createTable, getCoreRowModel, getFilteredRowModel, getSortedRowModel } = window.TableCore;
  const LAST = '__last';
  const collator = new Intl.Collator('en', { numeric: true, sensitivity: 'base' });

  const compare = (one, other, id) => {
    const [a, b] = [one.getValue(id), other.getValue(id)];
    return typeof a === 'number' && typeof b === 'number' ? a - b : collator.compare(a, b);
  };

  const folded = (text) => text.toLowerCase().replaceAll('\u2013', '-');

  /**
   * Whether a cell passes: ">.5" and "<=3" compare figures as they are shown, so that what is shown
   * as .07 equals .07; everything else is looked for.
   */
  const passes = (row, id, wanted) => {
    if (id === LAST) return !row.original.last;
    const rule = /^\s*(<=|>=|<|>|=)\s*(-?[\d.]+(?:e-?\d+)?)\s*$/i.exec(wanted);
    if (/^\s*(<=|>=|<|>|=)\s*-?\.?\s*$/.test(wanted)) return true; // still being typed
    if (!rule || !Number.isFinite(Number(rule[2]))) return folded(row.original.text(id)).includes(folded(wanted.trim()));
    const [whole, limit] = [row.original.value(id), Number(rule[2])];
    if (typeof whole !== 'number') return false;
    const shown = Number.parseFloat(row.original.text(id).replaceAll(',', ''));
    const value = Math.abs(shown - whole) <= 0.005 + Math.abs(whole) / 20 ? shown : whole;
    return { '<': value < limit, '>': value > limit, '<=': value <= limit, '>=': value >= limit, '=': value === limit }[rule[1]];
  };

  const columnOf = (column) => ({
    id: column.key,
    accessorFn: (row) => row.value(column.key),
    header: column.header,
    enableSorting: column.sortable,
    sortDescFirst: column.numeric,
    sortUndefined: 'last',
    sortingFn: compare,
    filterFn: passes,
  });

  /**
   * Rows under controls.
   * @param {object} given id, columns (key, header, numeric, sortable), rows (gives value, text, last),
   *   head (the row of headers), host (where controls go), tools, lastWord,
   *   show(rows, whether a column is visible, whether anything is asked), ready (loads the rows
   *   that are still missing, before they are looked through), total (how many there are then).
   */
  harness.grid = (given) => {
    const { id, columns, head, host } = given;
    let chosen = read();
    // Made when something is first asked: most tables are only read.
    let made = null;
    const engine = () => (made ??= createTable({
      data: given.rows(),
      columns: [
        ...columns.map(columnOf),
        { id: LAST, accessorFn: (row) => (row.last ? 1 : 0), sortingFn: compare, filterFn: passes, enableGlobalFilter: false },
      ],
      state: {},
      onStateChange: () => {},
      renderFallbackValue: null,
      globalFilterFn: (row, column, wanted) => row.original.text(column).includes(wanted),
      getColumnCanGlobalFilter: () => true,
      getCoreRowModel: getCoreRowModel(),
      getFilteredRowModel: getFilteredRowModel(),
      getSortedRowModel: getSortedRowModel(),
    }));
    const parts = given.tools ? toolbar() : null;
    const arrows = headers();

    function read() {
      const found = { sort: null, q: '', filters: {}, hidden: new Set(), onlyRanked: false };
      const known = new Set(columns.map((column) => column.key));
      for (const [name, value] of state.under(`${id}.`)) {
        if (name === 'q') found.q = value;
        else if (name === 'ranked') found.onlyRanked = true;
        else if (name === 'hide') value.split(',').filter((key) => known.has(key)).forEach((key) => found.hidden.add(key));
        else if (name.startsWith('f.') && known.has(name.slice(2))) found.filters[name.slice(2)] = value;
        else if (name === 'sort') {
          const [key, order] = value.split('.');
          if (known.has(key)) found.sort = { id: key, desc: order === 'desc' };
        }
      }
      return found;
    }

    function write() {
      const entries = [];
      if (chosen.q) entries.push(['q', chosen.q]);
      if (chosen.sort) entries.push(['sort', `${chosen.sort.id}.${chosen.sort.desc ? 'desc' : 'asc'}`]);
      for (const [key, value] of Object.entries(chosen.filters)) if (value) entries.push([`f.${key}`, value]);
      if (chosen.hidden.size) entries.push(['hide', [...chosen.hidden].sort().join(',')]);
      if (chosen.onlyRanked) entries.push(['ranked', '1']);
      state.replace(`${id}.`, entries);
    }

    function total() {
      return given.total ?? given.rows().length;
    }

    function asks() {
      return chosen.q || chosen.sort || chosen.onlyRanked || Object.values(chosen.filters).some(Boolean);
    }

    function draw() {
      const filters = Object.entries(chosen.filters).filter(([, value]) => value).map(([key, value]) => ({ id: key, value }));
      if (chosen.onlyRanked) filters.push({ id: LAST, value: true });
      const sorting = chosen.sort ? [{ id: LAST, desc: false }, chosen.sort] : [];
      engine().setOptions((before) => ({
        ...before,
        data: given.rows(),
        state: { ...engine().initialState, sorting, columnFilters: filters, globalFilter: chosen.q.trim().toLowerCase() || undefined },
      }));
      const rows = engine().getRowModel().rows.map((row) => row.original);
      given.show(rows, (key) => !chosen.hidden.has(key), Boolean(asks()));
      for (const [key, header] of arrows) {
        const order = chosen.sort?.id === key ? (chosen.sort.desc ? 'descending' : 'ascending') : 'none';
        header.setAttribute('aria-sort', order);
      }
      if (parts) mirror(rows.length);
    }

    async function changed() {
      write();
      await refresh();
    }

    async function refresh() {
      if (given.ready && asks()) await given.ready();
      draw();
    }

    function headers() {
      const found = new Map();
      for (const header of head.cells) {
        const column = columns.find((one) => one.key === header.dataset.key);
        if (!column || !column.sortable) continue;
        const sorter = button('', () => {
          const now = chosen.sort?.id === column.key ? chosen.sort.desc : null;
          const first = Boolean(column.numeric) && column.key !== 'rank'; // the best first
          chosen.sort = now === null ? { id: column.key, desc: first } : now === first ? { id: column.key, desc: !first } : null;
          changed();
        }, { class: 'sort' });
        sorter.append(...header.childNodes);
        header.append(sorter);
        found.set(column.key, header);
      }
      return found;
    }

    function toolbar() {
      const search = el('input', { type: 'search', id: `${id}-q`, autocomplete: 'off', spellcheck: 'false' });
      search.addEventListener('input', () => {
        chosen.q = search.value;
        changed();
      });
      const count = el('span', { role: 'status', class: 'count' });
      const filters = filterRow();
      const filterButton = button('Filter', () => show(filters.row.hidden), { 'aria-expanded': 'false', 'aria-controls': `${id}-filters` });
      const show = (open) => {
        filters.row.hidden = !open;
        filterButton.setAttribute('aria-expanded', String(open));
      };
      const chooser = columnChooser();
      const ranked = given.lastWord ? el('input', { type: 'checkbox', id: `${id}-ranked` }) : null;
      ranked?.addEventListener('change', () => {
        chosen.onlyRanked = ranked.checked;
        changed();
      });
      const reset = button('Reset', () => {
        chosen = { sort: null, q: '', filters: {}, hidden: new Set(), onlyRanked: false };
        changed();
      });
      host.prepend(
        el(
          'div',
          { class: 'tools', role: 'group', 'aria-label': 'Table controls' },
          el('label', { for: `${id}-q` }, 'Search'),
          search,
          ranked && el('label', { class: 'check' }, ranked, ` ${given.lastWord} only`),
          filterButton,
          chooser.node,
          reset,
          count,
        ),
      );
      return { search, count, filters, ranked, chooser, show };
    }

    function filterRow() {
      const inputs = new Map();
      const row = el('tr', { class: 'filters', id: `${id}-filters` });
      row.hidden = true;
      for (const header of head.cells) {
        const key = header.dataset.key;
        const column = columns.find((one) => one.key === key);
        const cell = el('td', { 'data-key': key, class: header.className });
        if (column && column.sortable) {
          const input = el('input', { type: 'text', 'aria-label': `Filter ${column.header}`, placeholder: column.numeric ? '> .5' : 'text', autocomplete: 'off', spellcheck: 'false' });
          input.addEventListener('input', () => {
            chosen.filters[key] = input.value;
            changed();
          });
          inputs.set(key, input);
          cell.append(input);
        }
        row.append(cell);
      }
      head.after(row);
      return { row, inputs };
    }

    function columnChooser() {
      const boxes = new Map();
      const list = el('div', { class: 'choices' });
      for (const column of columns) {
        const box = el('input', { type: 'checkbox' });
        box.addEventListener('change', () => {
          if (box.checked) chosen.hidden.delete(column.key);
          else chosen.hidden.add(column.key);
          changed();
        });
        boxes.set(column.key, box);
        list.append(el('label', { class: 'check' }, box, ` ${column.header}`));
      }
      const node = el('details', { class: 'columns' }, el('summary', {}, 'Columns'), list);
      node.addEventListener('keydown', (event) => {
        if (event.key !== 'Escape' || !node.open) return;
        node.open = false;
        node.querySelector('summary').focus();
      });
      document.addEventListener('click', (event) => {
        if (node.open && !node.contains(event.target)) node.open = false;
      });
      return { node, boxes };
    }

    /** Make the controls say what is chosen, however it came to be so. */
    function mirror(shown) {
      const { search, count, filters, ranked, chooser, show } = parts;
      if (search.value !== chosen.q) search.value = chosen.q;
      for (const [key, input] of filters.inputs) {
        const wanted = chosen.filters[key] || '';
        if (input.value !== wanted) input.value = wanted;
        if (wanted) show(true);
      }
      for (const [key, box] of chooser.boxes) box.checked = !chosen.hidden.has(key);
      if (ranked) ranked.checked = chosen.onlyRanked;
      const all = total().toLocaleString('en');
      count.textContent = !asks() ? `${all} rows` : `${shown.toLocaleString('en')} of ${all} rows`;
    }

    state.onChange(() => {
      chosen = read();
      refresh();
    });
    if (asks() || chosen.hidden.size) refresh();
    else if (parts) mirror(total());
  };

  /** Take over a table that the page came with. */
  const enhance = (host) => {
    const table = host.querySelector('table');
    const head = table.tHead.rows[0];
    const body = table.tBodies[0];
    const places = new Map([...head.cells].map((cell, place) => [cell.dataset.key, place]));
    const columns = [...head.cells].map((cell) => ({
      key: cell.dataset.key,
      header: cell.textContent,
      numeric: cell.classList.contains('num'),
      sortable: !('plain' in cell.dataset),
    }));
    const numeric = new Map(columns.map((column) => [column.key, column.numeric]));
    const rows = [...body.rows].map((node) => ({
      node,
      last: node.classList.contains('last'),
      value(key) {
        const cell = node.cells[places.get(key)];
        const figure = cell.dataset.v;
        if (figure !== undefined) return Number(figure);
        return numeric.get(key) ? undefined : cell.textContent;
      },
      text: (key) => node.cells[places.get(key)].textContent.toLowerCase(),
    }));
    let shownKeys = new Set(places.keys());
    const none = el('tr', { class: 'none' }, el('td', { colspan: columns.length }, 'No row matches.'));

    const show = (wanted, visible) => {
      const keys = new Set([...places.keys()].filter(visible));
      for (const [key, place] of places) {
        if (keys.has(key) === shownKeys.has(key)) continue;
        for (const row of [...table.tHead.rows, ...rows.map((one) => one.node)]) row.cells[place].hidden = !keys.has(key);
      }
      shownKeys = keys;
      body.replaceChildren(...(wanted.length ? wanted.map((row) => row.node) : [none]));
    };
    harness.grid({ id: host.dataset.id, columns, rows: () => rows, head, host, tools: 'tools' in host.dataset, lastWord: host.dataset.last, show });
  };

  // A table in a closed part of the page waits until it is opened.
  for (const host of document.querySelectorAll('.grid[data-id]')) {
    const closed = host.closest('details:not([open])');
    if (closed) closed.addEventListener('toggle', () => enhance(host), { once: true });
    else enhance(host);
  }
})();
