'use strict';
// A run's samples: a page of rows at a time, and one sample with its texts.
(() => {
  const harness = window.harness;
  const { el, button, block, figure, load, short, state } = harness;
  const section = document.getElementById('samples');
  if (!section || !Number(section.dataset.kept)) return;
  const kept = Number(section.dataset.kept);
  const perRows = Number(section.dataset.rows);
  const perTexts = Number(section.dataset.texts);
  const solves = section.dataset.protocol === 'solve';
  const chunks = section.dataset.chunks;
  const NUMERIC = new Set(['step', 'repeat', 'attempt', 'score', 'input_tokens', 'output_tokens', 'latency_s']);
  const HEADERS = { sample_id: 'sample', stream_id: 'stream', input_tokens: 'tokens in', output_tokens: 'tokens out', latency_s: 'seconds', error_type: 'error', source_id: 'source' };
  const keys = section.dataset.columns.split(' ');
  const rows = new Array(kept).fill(null);

  const rowOf = (values, names, place) => {
    const fields = Object.fromEntries(names.map((name, at) => [name, values[at]]));
    return {
      place,
      fields,
      last: false,
      value: (key) => (fields[key] === null ? undefined : fields[key]),
      text: (key) => (NUMERIC.has(key) ? figure(fields[key]) : harness.short(fields[key] ?? '', 2000)).toLowerCase(),
    };
  };

  const loadRows = async (chunk) => {
    const start = chunk * perRows;
    if (rows[start]) return;
    const { columns, rows: found } = await load(`samples-${chunk}`, `${chunks}/samples-${chunk}.js`);
    found.forEach((values, at) => {
      rows[start + at] ??= rowOf(values, columns, start + at);
    });
  };
  const loadAll = () => Promise.all(Array.from({ length: Math.ceil(kept / perRows) }, (_, chunk) => loadRows(chunk)));
  const addressOf = (row) => {
    const twins = keys.includes('repeat') || keys.includes('checkpoint') || keys.includes('attempt') || keys.includes('stream_id');
    const address = new URLSearchParams(twins ? { sample: row.fields.sample_id, at: row.place } : { sample: row.fields.sample_id });
    return `#${address}`;
  };

  /** A link that keeps what is chosen of the table, and can be opened elsewhere like any other. */
  const linkTo = (row, text) => {
    const link = el('a', { href: addressOf(row) }, text);
    link.addEventListener('click', (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      choose(row);
    });
    return link;
  };

  // The table -------------------------------------------------------------------------------
  const columns = keys.map((key) => ({ key, header: HEADERS[key] ?? key, numeric: NUMERIC.has(key), sortable: true }));
  const head = el('tr', {}, ...columns.map((one) => el('th', { scope: 'col', 'data-key': one.key, class: one.numeric ? 'num' : null }, one.header)));
  const body = el('tbody');
  const host = section.querySelector('.grid');
  const pager = el('nav', { class: 'pager', 'aria-label': 'Pages of samples' });
  host.append(
    el('div', { class: 'box', role: 'region', 'aria-label': 'Samples', tabindex: '0' },
      el('table', { id: 'samples-table', class: 'head1' }, el('caption', {}, 'Samples'), el('thead', {}, head), body)),
    pager,
  );

  const cellOf = (row, column, place) => {
    const value = row.fields[column.key];
    if (place === 0) return el('th', { scope: 'row' }, linkTo(row, short(value || '(no id)')));
    if (column.numeric) return el('td', { class: 'num' }, value === null ? 'n/a' : figure(value));
    return el('td', { class: column.key === 'status' && value !== 'ok' ? 'bad' : null }, short(value ?? ''));
  };

  let page = 0;
  let ordered = [];
  let visible = () => true;
  const drawPage = () => {
    const pages = Math.max(1, Math.ceil(ordered.length / perRows));
    page = Math.min(page, pages - 1);
    const shown = ordered.slice(page * perRows, (page + 1) * perRows);
    const lines = shown.map((row) => {
      const line = el('tr', {}, ...columns.map((column, place) => cellOf(row, column, place)));
      columns.forEach((column, place) => {
        line.cells[place].hidden = !visible(column.key);
      });
      return line;
    });
    body.replaceChildren(...(lines.length ? lines : [el('tr', { class: 'none' }, el('td', { colspan: columns.length }, 'No row matches.'))]));
    const filters = head.nextElementSibling;
    columns.forEach((column, place) => {
      for (const line of [head, filters]) if (line) line.cells[place].hidden = !visible(column.key);
    });
    const turn = (to) => async () => {
      page = to;
      if (ordered === rows) await loadRows(page);
      drawPage();
    };
    const step = (text, to) => button(text, turn(to), to < 0 || to >= pages || to === page ? { disabled: '' } : {});
    pager.replaceChildren(step('First', 0), step('Previous', page - 1), el('span', { role: 'status' }, `Page ${page + 1} of ${pages}`), step('Next', page + 1), step('Last', pages - 1));
  };

  const show = (found, isVisible, asked) => {
    visible = isVisible;
    if (asked) page = 0;
    ordered = asked ? found : rows;
    drawPage();
  };

  // One sample ------------------------------------------------------------------------------
  const detail = document.getElementById('sample');
  const parsed = (text) => {
    try {
      return JSON.parse(text);
    } catch {
      return text;
    }
  };

  /** Any value: texts as blocks, lists and objects as lists of them. */
  const tree = (value, depth = 0) => {
    if (typeof value === 'string') return value.length > 80 || value.includes('\n') ? block(value) : el('span', {}, harness.clean(value));
    if (value === null || typeof value !== 'object') return el('span', {}, typeof value === 'number' ? figure(value) : String(value));
    if (depth > 5) return block(JSON.stringify(value));
    if (Array.isArray(value) && value.every((one) => typeof one === 'number')) return el('span', {}, short(value.join(' '), 400));
    const isMatrix = Array.isArray(value) && value.every((row) => Array.isArray(row) && row.every((one) => typeof one === 'number'));
    if (isMatrix) return block(value.map((row) => row.join(' ')).join('\n'));
    const entries = Array.isArray(value) ? value.map((one, place) => [String(place + 1), one]) : Object.entries(value);
    return el('dl', { class: 'tree' }, ...entries.map(([name, one]) => el('div', {}, el('dt', {}, short(name, 60)), el('dd', {}, tree(one, depth + 1)))));
  };

  const calls = (list) =>
    list.map((call, place) => {
      const { phase, messages, prompt, output, ...rest } = call ?? {};
      const spoken = [...(Array.isArray(messages) ? messages : []), ...(prompt ? [{ role: 'prompt', content: prompt }] : []), { role: 'output', content: output ?? '' }];
      return el('details', { class: 'call', open: place === 0 ? '' : null },
        el('summary', {}, `Call ${place + 1}${phase ? `: ${short(phase, 40)}` : ''}`),
        ...spoken.flatMap((one) => [el('h4', {}, short(one?.role ?? '', 40)), typeof one?.content === 'string' ? block(one.content) : tree(one?.content ?? '')]),
        tree(rest));
    });

  const part = (title, ...nodes) => (nodes.some(Boolean) ? el('section', {}, el('h3', {}, title), ...nodes) : null);

  const traceParts = (texts) => {
    const drawn = solves ? harness.puzzle(texts) : null;
    const value = (name) => (texts[name] ? parsed(texts[name]) : null);
    const list = value('calls');
    const other = (title, name) => (texts[name] ? part(title, tree(value(name))) : null);
    return [
      drawn && part('Puzzle', drawn),
      Array.isArray(list) && list.length ? part('Model calls', ...calls(list)) : null,
      drawn && texts.trajectory ? el('details', {}, el('summary', {}, 'Candidates'), tree(value('trajectory'))) : other('Trajectory', 'trajectory'),
      drawn ? null : other('Context', 'context'),
      drawn || !texts.output ? null : part('Output', block(texts.output)),
      other('Feedback', 'feedback'),
      other('More', 'extra'),
    ];
  };

  const open = async (row) => {
    const chunk = Math.floor(row.place / perTexts);
    let texts = {};
    let problem = null;
    try {
      texts = (await load(`texts-${chunk}`, `${chunks}/texts-${chunk}.js`))[row.place % perTexts] ?? {};
    } catch (error) {
      problem = el('p', { class: 'problem' }, error.message);
    }
    const { metrics, ...fields } = row.fields;
    const facts = Object.entries({ ...fields, sample_hash: texts.sample_hash }).filter(([, value]) => value !== null && value !== undefined && value !== '');
    const figures = Object.entries(metrics ?? {});
    const move = (to) => async () => {
      await loadRows(Math.floor(to / perRows));
      choose(rows[to]);
    };
    const step = (text, to) => button(text, move(to), to < 0 || to >= kept ? { disabled: '' } : {});
    detail.replaceChildren(
      el('div', { class: 'sample-head' },
        el('h2', { id: 'sample-heading' }, 'Sample ', el('span', { class: 'id' }, short(row.fields.sample_id || '(no id)', 200))),
        el('div', { class: 'pager' }, step('Previous', row.place - 1), el('span', {}, `${(row.place + 1).toLocaleString('en')} of ${kept.toLocaleString('en')}`), step('Next', row.place + 1), button('Close', close))),
      el('dl', { class: 'facts' }, ...facts.map(([name, value]) => el('div', {}, el('dt', {}, HEADERS[name] ?? name), el('dd', {}, typeof value === 'number' ? figure(value) : short(value, 300))))),
      ...[problem, texts.error ? part('Error', block(texts.error)) : null, ...traceParts(texts),
        figures.length ? part('Metrics', el('dl', { class: 'facts' }, ...figures.map(([name, value]) => el('div', {}, el('dt', {}, short(name)), el('dd', {}, figure(value)))))) : null].filter(Boolean),
    );
    detail.hidden = false;
    detail.scrollIntoView({ block: 'start' });
    detail.focus({ preventScroll: true });
  };

  const choose = (row) => {
    state.visit({ sample: row.fields.sample_id, at: String(row.place) });
    return open(row);
  };

  const close = () => {
    state.visit({ sample: null, at: null });
    detail.hidden = true;
    section.scrollIntoView();
  };

  /** Show what the address names; a place that holds another sample is looked for instead. */
  const follow = async () => {
    const wanted = state.get('sample');
    if (wanted === null) {
      detail.hidden = true;
      return;
    }
    const place = Number(state.get('at') ?? NaN);
    if (Number.isInteger(place) && place >= 0 && place < kept) {
      await loadRows(Math.floor(place / perRows));
      if (rows[place].fields.sample_id === wanted) return open(rows[place]);
    }
    for (let chunk = 0; chunk * perRows < kept; chunk += 1) {
      await loadRows(chunk);
      const found = rows.slice(chunk * perRows, (chunk + 1) * perRows).find((row) => row.fields.sample_id === wanted);
      if (found) return open(found);
    }
    detail.replaceChildren(el('p', { class: 'problem' }, `No sample ${short(wanted, 200)} is shown here.`));
    detail.hidden = false;
  };

  const gallery = async () => {
    const place = document.querySelector('#gallery .gallery');
    if (!place) return;
    const texts = await load('texts-0', `${chunks}/texts-0.js`);
    const drawn = texts.slice(0, 12).map((one, at) => rows[at] && harness.thumbnail(one, linkTo(rows[at], short(rows[at].fields.sample_id, 40)))).filter(Boolean);
    place.replaceChildren(...drawn);
    place.parentElement.hidden = !drawn.length;
  };

  const begin = async () => {
    await loadRows(0);
    ordered = rows;
    drawPage();
    harness.grid({ id: 'samples', columns, rows: () => rows.filter(Boolean), head, host, tools: true, total: kept, show, ready: loadAll });
    await Promise.all([follow(), solves ? gallery() : null]);
    state.onChange(follow);
  };
  begin().catch((error) => section.append(el('p', { class: 'problem' }, error.message)));
})();
