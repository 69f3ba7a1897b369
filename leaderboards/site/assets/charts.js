'use strict';
// Charts, each drawn from the table beside it.
(() => {
  const { el, svg, button, short } = window.harness;
  const d3 = window.d3;
  const HEIGHT = 280;
  const COLOURS = 8; // then dashes tell lines apart
  const MOST_NAMES = 30;

  const figures = (node) => {
    const table = node.querySelector('table');
    const places = new Map([...table.tHead.rows[0].cells].map((cell, place) => [cell.dataset.key, place]));
    const value = (row, key) => {
      const figure = row.cells[places.get(key)]?.dataset.v;
      return figure === undefined ? null : Number(figure);
    };
    const text = (row, key) => row.cells[places.get(key)]?.textContent.trim() ?? '';
    return { rows: [...table.tBodies[0].rows], value, text, has: (key) => places.has(key), label: (key) => table.tHead.rows[0].cells[places.get(key)].textContent.trim() };
  };

  /** The lines of a chart: a name and points each. */
  const seriesOf = (node) => {
    const { rows, value, text, label } = figures(node);
    const { x, series } = node.dataset;
    const point = (row, key) => ({
      x: value(row, x),
      y: value(row, key),
      name: text(row, x),
      said: text(row, key),
      low: 'interval' in node.dataset ? value(row, 'low') : null,
      high: 'interval' in node.dataset ? value(row, 'high') : null,
      mark: text(row, 'mark'),
    });
    const found = new Map();
    for (const key of node.dataset.y.split(' ')) {
      for (const row of rows) {
        const one = point(row, key);
        if (one.y === null || (node.dataset.chart !== 'bars' && one.x === null)) continue;
        const name = series ? text(row, series) : label(key);
        if (!found.has(name)) found.set(name, []);
        found.get(name).push(one);
      }
    }
    const lines = [...found].map(([name, points], place) => ({ name, points, place }));
    if (node.dataset.chart === 'lines') for (const line of lines) line.points.sort((a, b) => a.x - b.x);
    return lines;
  };

  const tone = (line) => `s${line.place % COLOURS}`;
  const dash = (line) => ['', '6 3', '2 3', '8 3 2 3'][Math.floor(line.place / COLOURS) % 4] || null;

  const extent = (values) => {
    const [low, high] = d3.extent(values);
    if (low === undefined) return [0, 1];
    const room = (high - low) * 0.06 || Math.abs(high) * 0.1 || 0.5;
    return [low - room, high + room];
  };

  const heights = (lines) => lines.flatMap((line) => line.points.flatMap((one) => [one.y, one.low, one.high].filter((v) => v !== null)));

  const frame = (node, id, width, margin, x, y) => {
    const title = node.querySelector('figcaption strong').textContent;
    const text = node.querySelector('figcaption span').textContent;
    const image = svg('svg', { viewBox: `0 0 ${width} ${HEIGHT}`, width, height: HEIGHT, role: 'img', 'aria-labelledby': `${id}-title ${id}-text` },
      svg('title', { id: `${id}-title` }, title), svg('desc', { id: `${id}-text` }, `${text} The figures follow as a table.`));
    const axes = d3.select(image);
    const down = axes.append('g').attr('class', 'axis').attr('transform', `translate(0 ${HEIGHT - margin.bottom})`);
    if (x) down.call(x);
    const left = axes.append('g').attr('class', 'axis').attr('transform', `translate(${margin.left} 0)`).call(y);
    left.selectAll('.tick line').clone().attr('x2', width - margin.left - margin.right).attr('class', 'rule');
    image.append(
      svg('text', { class: 'label', x: width - margin.right, y: HEIGHT - 4, 'text-anchor': 'end' }, short(node.dataset.xLabel, 40)),
      svg('text', { class: 'label', x: 2, y: 11 }, short(node.dataset.yLabel, 40)),
    );
    return image;
  };

  const whisker = (at, low, high, css) => svg('path', { class: `whisker ${css}`, d: `M${at} ${low}V${high}M${at - 3} ${low}h6M${at - 3} ${high}h6` });

  const drawPlane = (node, id, lines, width) => {
    const margin = { left: 52, right: 16, top: 20, bottom: 40 };
    const time = 'time' in node.dataset;
    const across = lines.flatMap((line) => line.points.map((one) => one.x));
    const x = (time ? d3.scaleUtc() : d3.scaleLinear()).domain(extent(across)).range([margin.left, width - margin.right]);
    const y = d3.scaleLinear().domain(extent(heights(lines))).range([HEIGHT - margin.bottom, margin.top]);
    const axis = d3.axisBottom(x).ticks(Math.max(2, width / 110));
    // There is no step 1.5.
    if (!time && across.every(Number.isInteger)) axis.tickValues(x.ticks(Math.max(2, width / 110)).filter(Number.isInteger)).tickFormat(d3.format(',d'));
    const image = frame(node, id, width, margin, axis, d3.axisLeft(y).ticks(5));
    const path = d3.line().x((one) => x(one.x)).y((one) => y(one.y));
    const joined = node.dataset.chart === 'lines';
    const taken = joined ? [] : lines.flatMap((line) => line.points.map((one) => ({ left: x(one.x) - 5, top: y(one.y) - 8, wide: 10 })));
    const dots = taken.length;
    for (const line of lines) {
      for (const one of line.points) {
        if (one.mark) image.append(svg('path', { class: 'mark', d: `M${x(one.x)} ${margin.top}V${HEIGHT - margin.bottom}` }, svg('title', {}, one.mark)));
        if (one.low !== null && one.high !== null) image.append(whisker(x(one.x), y(one.low), y(one.high), tone(line)));
      }
      if (joined) image.append(svg('path', { class: `line ${tone(line)}`, d: path(line.points), 'stroke-dasharray': dash(line) }));
      if (joined && line.points.length > 60) continue;
      for (const one of line.points) {
        const said = joined ? `${line.name}: ${one.name}, ${one.said}` : `${line.name}: ${node.dataset.xLabel} ${one.name}, ${node.dataset.yLabel} ${one.said}`;
        image.append(svg('circle', { class: `dot ${tone(line)}`, cx: x(one.x), cy: y(one.y), r: joined ? 3 : 4.5 }, svg('title', {}, short(said, 300))));
        if (!joined) nameOf(image, line, x(one.x), y(one.y), width, taken, dots + MOST_NAMES);
      }
    }
    return image;
  };

  /** Write a point's name beside it, where no other name is; the table and its title have the rest. */
  const nameOf = (image, line, x, y, width, taken, most) => {
    if (taken.length >= most) return;
    const text = short(line.name, 24);
    const wide = text.length * 7.4;
    const right = x + 8 + wide < width;
    const box = { left: right ? x + 8 : x - 8 - wide, top: y - 8, wide };
    if (taken.some((one) => box.left < one.left + one.wide && one.left < box.left + box.wide && Math.abs(box.top - one.top) < 12)) return;
    taken.push(box);
    image.append(svg('text', { class: 'name', x: right ? x + 8 : x - 8, y: y + 4, 'text-anchor': right ? 'start' : 'end' }, text));
  };

  const drawBars = (node, id, lines, width) => {
    const points = lines.flatMap((line) => line.points);
    const margin = { left: 52, right: 16, top: 20, bottom: points.length > width / 70 ? 92 : 40 };
    const x = d3.scaleBand().domain(points.map((_, place) => place)).range([margin.left, width - margin.right]).padding(0.25);
    const y = d3.scaleLinear().domain([Math.min(0, d3.min(points, (one) => one.y)), Math.max(0, d3.max(points, (one) => one.y)) || 1]).nice().range([HEIGHT - margin.bottom, margin.top]);
    const image = frame(node, id, width, margin, null, d3.axisLeft(y).ticks(5));
    points.forEach((one, place) => {
      const [top, foot] = [y(Math.max(one.y, 0)), y(Math.min(one.y, 0))];
      image.append(svg('rect', { class: 'column s0', x: x(place), y: top, width: x.bandwidth(), height: Math.max(foot - top, 1) }, svg('title', {}, `${one.name}: ${one.said}`)));
      const middle = x(place) + x.bandwidth() / 2;
      const turned = margin.bottom > 40;
      const low = HEIGHT - margin.bottom + 14;
      image.append(svg('text', { class: 'name', x: middle, y: low, 'text-anchor': turned ? 'end' : 'middle', transform: turned ? `rotate(-45 ${middle} ${low})` : null }, short(one.name, 18)));
    });
    return image;
  };

  /** Buttons that take lines out and put them back. */
  const legend = (node, lines, shown, redraw) => {
    const list = el('div', { class: 'legend', role: 'group', 'aria-label': 'Lines of the chart' });
    for (const line of lines) {
      const key = svg('svg', { class: 'key', viewBox: '0 0 20 8', 'aria-hidden': 'true' }, svg('path', { class: `line ${tone(line)}`, d: 'M0 4H20', 'stroke-dasharray': dash(line) }));
      const one = button('', () => {
        if (shown.has(line.name)) shown.delete(line.name);
        else shown.add(line.name);
        one.setAttribute('aria-pressed', String(shown.has(line.name)));
        redraw();
      }, { 'aria-pressed': String(shown.has(line.name)) });
      one.append(key, ` ${short(line.name, 40)}`);
      list.append(one);
    }
    node.querySelector('.plot').after(list);
  };

  const firstShown = (node, lines) => {
    let names = [];
    try {
      names = JSON.parse(node.dataset.visible || '[]');
    } catch {
      // cut, because a name is endless; the first lines do
    }
    const known = lines.filter((line) => names.includes(line.name)).map((line) => line.name);
    return new Set(known.length || !names.length ? (known.length ? known : lines.map((line) => line.name)) : lines.slice(0, 6).map((line) => line.name));
  };

  let number = 0;
  const start = (node) => {
    const lines = seriesOf(node);
    const plot = node.querySelector('.plot');
    const id = `chart${(number += 1)}`;
    const shown = firstShown(node, lines);
    let last = 0;
    const draw = () => {
      last = Math.max(plot.clientWidth, 240);
      const drawn = lines.filter((line) => shown.has(line.name));
      if (!drawn.length) plot.replaceChildren(el('p', { class: 'quiet' }, 'No line is chosen.'));
      else plot.replaceChildren(node.dataset.chart === 'bars' ? drawBars(node, id, drawn, last) : drawPlane(node, id, drawn, last));
    };
    if (node.dataset.chart === 'lines' && lines.length > 1) legend(node, lines, shown, draw);
    draw();
    new ResizeObserver(() => {
      if (Math.abs(plot.clientWidth - last) > 4) draw();
    }).observe(plot);
  };

  // A chart that nobody has scrolled to costs nothing; a page that is printed has them all.
  const waiting = new Set(document.querySelectorAll('figure.chart'));
  const begin = (node) => {
    if (waiting.delete(node)) start(node);
  };
  const seen = new IntersectionObserver((entries) => entries.filter((one) => one.isIntersecting).forEach((one) => begin(one.target)), { rootMargin: '300px' });
  waiting.forEach((node) => seen.observe(node));
  window.addEventListener('beforeprint', () => [...waiting].forEach(begin));
})();
