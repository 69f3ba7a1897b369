'use strict';
// Puzzles as drawings: what was asked, and what was answered beside the truth.
(() => {
  const { el, svg, clean } = window.harness;
  // The colours of the puzzles' own viewer, as the command line draws them.
  const PALETTE = ['#000000', '#0074D9', '#FF4136', '#2ECC40', '#FFDC00', '#AAAAAA', '#F012BE', '#FF851B', '#7FDBFF', '#870C25'];
  const GOLDEN = 0.618033988749895;
  const CELL = 14;
  const DIGITS = '0123456789';
  const MOST_SAID = 100;

  const colour = (cell) => PALETTE[cell] ?? `hsl(${Math.round(((cell * GOLDEN) % 1) * 360)} 50% 60%)`;
  const ink = (cell) => ([0, 1, 9].includes(cell) ? '#FFFFFF' : '#000000');

  const isGrid = (grid) =>
    Array.isArray(grid) && grid.length > 0 && grid.length <= 100 && Array.isArray(grid[0]) && grid[0].length > 0 && grid[0].length <= 100 &&
    grid.every((row) => Array.isArray(row) && row.length === grid[0].length && row.every((cell) => Number.isInteger(cell) && cell >= 0));

  const wrongCells = (grid, gold) => {
    const found = [];
    grid.forEach((line, row) => line.forEach((cell, column) => {
      if (gold[row]?.[column] !== cell) found.push([row, column]);
    }));
    return found;
  };

  const verdict = (grid, gold) => {
    if (grid.length !== gold.length || grid[0].length !== gold[0].length) return `${grid.length} x ${grid[0].length}, not ${gold.length} x ${gold[0].length}`;
    const wrong = wrongCells(grid, gold).length;
    return wrong ? `${wrong} of ${gold.length * gold[0].length} cells wrong` : 'right';
  };

  const draw = (caption, grid, symbols, wrong) => {
    const [high, wide] = [grid.length * CELL, grid[0].length * CELL];
    const plain = symbols.join('') === DIGITS;
    const symbol = (cell) => clean(symbols[cell] ?? String(cell)).slice(0, 12);
    const said = grid.length * grid[0].length <= MOST_SAID ? `: ${grid.map((row) => row.map(symbol).join(' ')).join(' / ')}` : '';
    const image = svg('svg', { role: 'img', class: 'puzzle', viewBox: `0 0 ${wide} ${high}`, width: wide, height: high, 'aria-label': `${caption}, ${grid.length} by ${grid[0].length}${said}` });
    const paths = new Map();
    grid.forEach((line, row) => line.forEach((cell, column) => {
      paths.set(cell, `${paths.get(cell) ?? ''}M${column * CELL} ${row * CELL}h${CELL}v${CELL}h-${CELL}z`);
    }));
    for (const [cell, path] of paths) image.append(svg('path', { fill: colour(cell), d: path }));
    if (!plain) {
      grid.forEach((line, row) => line.forEach((cell, column) => {
        image.append(svg('text', { x: column * CELL + CELL / 2, y: row * CELL + 10, 'text-anchor': 'middle', 'font-size': 8, fill: ink(cell) }, symbol(cell).slice(0, 2)));
      }));
    }
    const lines = [...grid.keys()].slice(1).map((row) => `M0 ${row * CELL}h${wide}`).join('') + [...grid[0].keys()].slice(1).map((column) => `M${column * CELL} 0v${high}`).join('');
    image.append(svg('path', { class: 'lattice', d: lines }));
    if (wrong.length) {
      const crosses = wrong.map(([row, column]) => `M${column * CELL + 3} ${row * CELL + 3}l8 8m0 -8l-8 8`).join('');
      // White under black is seen on every colour.
      image.append(svg('path', { fill: 'none', stroke: '#FFFFFF', 'stroke-width': 4, d: crosses }), svg('path', { fill: 'none', stroke: '#000000', 'stroke-width': 2, d: crosses }));
    }
    return el('figure', { class: 'panel' }, el('figcaption', {}, caption), image);
  };

  /** The puzzle of a sample, from the texts of its trace; null if they hold none. */
  const read = (texts) => {
    try {
      const context = JSON.parse(texts.context);
      const attempts = JSON.parse(texts.output || '[]');
      const train = context.train.filter((pair) => isGrid(pair?.[0]) && isGrid(pair?.[1]));
      if (!isGrid(context.test) || !isGrid(context.gold) || !Array.isArray(attempts)) return null;
      return { train, test: context.test, gold: context.gold, attempts: attempts.filter(isGrid), symbols: (context.symbols ?? [...DIGITS]).map(String) };
    } catch {
      return null;
    }
  };

  const answer = (puzzle) => [
    draw('test input', puzzle.test, puzzle.symbols, []),
    draw('truth', puzzle.gold, puzzle.symbols, []),
    ...puzzle.attempts.map((grid, place) => draw(`attempt ${place + 1}: ${verdict(grid, puzzle.gold)}`, grid, puzzle.symbols, wrongCells(grid, puzzle.gold))),
  ];

  /** Everything of a puzzle. */
  window.harness.puzzle = (texts) => {
    const puzzle = read(texts);
    if (!puzzle) return null;
    const shown = puzzle.train.map(([one, other], place) => el('div', { class: 'panels' }, draw(`demonstration ${place + 1}`, one, puzzle.symbols, []), draw('output', other, puzzle.symbols, [])));
    const none = puzzle.attempts.length ? null : el('p', { class: 'quiet' }, 'There is no attempt.');
    return el('div', { class: 'puzzles' }, ...shown, el('div', { class: 'panels' }, ...answer(puzzle)), none);
  };

  /** Its test input, truth and attempts under the name of the sample. */
  window.harness.thumbnail = (texts, link) => {
    const puzzle = read(texts);
    if (!puzzle) return null;
    return el('div', { class: 'thumbnail' }, link, el('div', { class: 'panels' }, ...answer(puzzle)));
  };
})();
