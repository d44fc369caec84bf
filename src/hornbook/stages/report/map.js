"use strict";
function draw(data) {
  const by = id => document.getElementById(id);
  const bytes = text => Uint8Array.from(atob(text), c => c.charCodeAt(0)).buffer;
  const places = new Uint16Array(bytes(data.places)), of = new Int32Array(bytes(data.of));
  const many = of.length, clusters = data.clusters, canvas = by("map"), pen = canvas.getContext("2d"), tip = by("tip");
  const number = n => n.toLocaleString("en");
  const title = n => n < 0 ? "in no cluster" : clusters[n].topic === null ? "cluster " + clusters[n].id : clusters[n].topic;
  document.querySelector("h1").textContent = document.title;
  const alone = data.placed - clusters.reduce((sum, c) => sum + c.size, 0);
  const drawn = many < data.placed ? number(many) + " of them drawn, by chance" : "all drawn";
  by("counts").textContent = number(data.documents) + " documents, " + drawn + "; " + number(clusters.length) +
    (clusters.length === 1 ? " cluster" : " clusters") + ", " + number(alone) + " in none" +
    (data.documents > data.placed ? ", " + number(data.documents - data.placed) + " without words" : "");

  let view = {scale: 1, x: 0, y: 0}, picked = null, hit = null, seen = new Set(), colours = [], theme = {}, over = -1, waiting = false;
  const style = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  function paint() {
    theme = {ink: style("--ink"), paper: style("--paper"), none: style("--none")};
    colours = clusters.map((c, n) => `oklch(${style("--light")} ${style("--strength")} ${(n * 137.508 + 25) % 360})`);
    document.querySelectorAll("#legend i").forEach(dot => {
      const n = Number(dot.dataset.n);
      dot.style.background = n < 0 ? theme.none : colours[n];
    });
    later();
  }
  function later() {
    if (!waiting) { waiting = true; requestAnimationFrame(() => { waiting = false; show(); }); }
  }
  let width = 1, height = 1;
  const margin = 24;
  const place = n => [
    (margin + places[2 * n] / 65535 * (width - 2 * margin)) * view.scale + view.x,
    (margin + (1 - places[2 * n + 1] / 65535) * (height - 2 * margin)) * view.scale + view.y];
  const lit = n => (picked === null || of[n] === picked) && (hit === null || hit[n] === 1);

  function show() {
    const sharp = window.devicePixelRatio || 1, box = canvas.getBoundingClientRect();
    width = Math.max(1, box.width); height = Math.max(1, box.height);
    if (canvas.width !== Math.round(width * sharp) || canvas.height !== Math.round(height * sharp)) {
      canvas.width = Math.round(width * sharp); canvas.height = Math.round(height * sharp);
    }
    pen.setTransform(sharp, 0, 0, sharp, 0, 0);
    pen.clearRect(0, 0, width, height);
    const plain = Math.min(7, Math.max(1.5, 185 / Math.sqrt(many) * Math.pow(view.scale, .4)));
    const some = picked !== null || hit !== null;
    for (const front of some ? [false, true] : [true]) {
      pen.globalAlpha = front ? .78 : .12;
      const size = some && front ? plain + 1.5 : plain;
      const groups = new Map();
      for (let n = 0; n < many; n++) {
        if (some && lit(n) !== front) continue;
        const list = groups.get(of[n]);
        if (list) list.push(n); else groups.set(of[n], [n]);
      }
      for (const cluster of [...groups.keys()].sort((a, b) => a - b)) {
        pen.fillStyle = cluster < 0 ? theme.none : colours[cluster];
        for (const n of groups.get(cluster)) {
          const [x, y] = place(n);
          if (x > -9 && y > -9 && x < width + 9 && y < height + 9) pen.fillRect(x - size / 2, y - size / 2, size, size);
        }
      }
    }
    pen.globalAlpha = 1;
    names();
    if (over >= 0) {
      const [x, y] = place(over);
      pen.strokeStyle = theme.ink; pen.lineWidth = 2;
      pen.beginPath(); pen.arc(x, y, plain / 2 + 4, 0, 7); pen.stroke();
    }
  }

  const middles = clusters.map(() => [[], []]);
  for (let n = 0; n < many; n++) if (of[n] >= 0) { middles[of[n]][0].push(places[2 * n]); middles[of[n]][1].push(places[2 * n + 1]); }
  const centres = middles.map(pair => pair.map(list => list.sort((a, b) => a - b)[list.length >> 1]));
  function names() {
    pen.font = "600 12.5px system-ui, sans-serif"; pen.textAlign = "center"; pen.textBaseline = "middle"; pen.lineJoin = "round";
    const taken = [];
    clusters.forEach((cluster, n) => {
      if (centres[n][0] === undefined || (picked !== null && picked !== n) || (hit !== null && !seen.has(n))) return;
      const x = (margin + centres[n][0] / 65535 * (width - 2 * margin)) * view.scale + view.x;
      const y = (margin + (1 - centres[n][1] / 65535) * (height - 2 * margin)) * view.scale + view.y;
      const full = title(n), said = full.length > 34 ? full.slice(0, 32) + "…" : full;
      const half = pen.measureText(said).width / 2 + 5;
      if (x < half || x > width - half || y < 12 || y > height - 12) return;
      if (taken.some(t => Math.abs(t[0] - x) < t[2] + half && Math.abs(t[1] - y) < 19)) return;
      taken.push([x, y, half]);
      pen.lineWidth = 4; pen.strokeStyle = theme.paper; pen.strokeText(said, x, y);
      pen.fillStyle = theme.ink; pen.fillText(said, x, y);
    });
  }

  function nearest(x, y) {
    let best = -1, least = 14 * 14;
    for (let n = 0; n < many; n++) {
      if (!lit(n)) continue;
      const [px, py] = place(n), far = (px - x) * (px - x) + (py - y) * (py - y);
      if (far < least) { least = far; best = n; }
    }
    return best;
  }
  function tell(x, y) {
    const found = nearest(x, y);
    if (found !== over) { over = found; later(); }
    tip.hidden = found < 0;
    if (found < 0) return;
    const head = document.createElement("b"), line = document.createElement("span"), text = document.createElement("p");
    const cluster = clusters[of[found]];
    head.textContent = title(of[found]);
    line.textContent = (cluster && cluster.score !== null ? "score " + cluster.score + " of 10 · " : "") + data.names[found];
    text.textContent = data.texts[found] || "(no text)";
    text.dir = "auto";
    tip.replaceChildren(head, line, text);
    const room = tip.getBoundingClientRect();
    tip.style.left = Math.max(4, x + 18 + room.width > width ? x - room.width - 14 : x + 14) + "px";
    tip.style.top = Math.max(4, Math.min(y + 14, height - room.height - 6)) + "px";
  }
  function zoom(factor, x, y) {
    const scale = Math.min(60, Math.max(.8, view.scale * factor)), by = scale / view.scale;
    view = {scale, x: x - (x - view.x) * by, y: y - (y - view.y) * by};
    later();
  }
  const whole = () => { view = {scale: 1, x: 0, y: 0}; later(); };
  const fingers = new Map();
  canvas.addEventListener("pointerdown", e => { fingers.set(e.pointerId, [e.offsetX, e.offsetY]); canvas.setPointerCapture(e.pointerId); });
  for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, e => fingers.delete(e.pointerId));
  canvas.addEventListener("pointermove", e => {
    const last = fingers.get(e.pointerId);
    if (!last) return tell(e.offsetX, e.offsetY);
    tip.hidden = true;
    const other = [...fingers].find(([id]) => id !== e.pointerId);
    if (other) {
      const apart = (x, y) => Math.hypot(x - other[1][0], y - other[1][1]) || 1;
      zoom(apart(e.offsetX, e.offsetY) / apart(...last), ...other[1]);
    } else { view.x += e.offsetX - last[0]; view.y += e.offsetY - last[1]; later(); }
    fingers.set(e.pointerId, [e.offsetX, e.offsetY]);
  });
  canvas.addEventListener("pointerleave", () => { tip.hidden = true; over = -1; later(); });
  canvas.addEventListener("click", e => tell(e.offsetX, e.offsetY));
  canvas.addEventListener("wheel", e => { e.preventDefault(); zoom(Math.exp(-e.deltaY / 400), e.offsetX, e.offsetY); }, {passive: false});
  canvas.addEventListener("dblclick", e => zoom(2, e.offsetX, e.offsetY));
  canvas.addEventListener("keydown", e => {
    const steps = {ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60]};
    if (steps[e.key]) { view.x += steps[e.key][0]; view.y += steps[e.key][1]; later(); e.preventDefault(); }
    if (e.key === "+") zoom(1.5, width / 2, height / 2);
    if (e.key === "-") zoom(1 / 1.5, width / 2, height / 2);
    if (e.key === "0") whole();
  });
  by("in").addEventListener("click", () => zoom(1.5, width / 2, height / 2));
  by("out").addEventListener("click", () => zoom(1 / 1.5, width / 2, height / 2));
  by("all").addEventListener("click", whole);

  const rows = clusters.map((c, n) => entry(n, c.size, c.score));
  if (alone > 0) rows.push(entry(-1, alone, null));
  function entry(n, size, score) {
    const row = document.createElement("li"), button = document.createElement("button");
    button.type = "button"; button.setAttribute("aria-pressed", "false");
    const parts = [["i", ""], ["span", title(n), "name"], ["span", number(size), "many"], ["span", score === null ? "" : score + "/10", "score"]];
    for (const [tag, text, kind] of parts) {
      const part = document.createElement(tag);
      part.textContent = text;
      if (kind) part.className = kind; else part.dataset.n = n;
      button.append(part);
    }
    button.addEventListener("click", () => {
      picked = picked === n ? null : n;
      rows.forEach(r => r.button.setAttribute("aria-pressed", String(picked === r.n)));
      later();
    });
    row.append(button);
    return {row, button, n, size, score};
  }
  const orders = {
    size: (a, b) => b.size - a.size,
    score: (a, b) => (b.score ?? -1) - (a.score ?? -1) || b.size - a.size,
    name: (a, b) => title(a.n).localeCompare(title(b.n)),
  };
  function sort(name) {
    const sorted = [...rows].sort((a, b) => (a.n < 0) - (b.n < 0) || orders[name](a, b));
    by("legend").replaceChildren(...sorted.map(r => r.row));
    document.querySelectorAll("#order button").forEach(b => b.setAttribute("aria-pressed", String(b.dataset.by === name)));
  }
  document.querySelectorAll("#order button").forEach(b => b.addEventListener("click", () => sort(b.dataset.by)));

  by("find").addEventListener("input", e => {
    const wanted = e.target.value.trim().toLowerCase();
    hit = null;
    let found = 0;
    if (wanted) {
      const topics = clusters.map((c, n) => title(n).toLowerCase().includes(wanted));
      hit = new Uint8Array(many);
      for (let n = 0; n < many; n++) {
        if ((of[n] >= 0 && topics[of[n]]) || data.texts[n].toLowerCase().includes(wanted) || data.names[n].toLowerCase().includes(wanted)) {
          hit[n] = 1; found++;
        }
      }
    }
    seen = new Set();
    tip.hidden = true; over = -1;
    if (hit) for (let n = 0; n < many; n++) if (hit[n]) seen.add(of[n]);
    rows.forEach(r => { r.row.hidden = hit !== null && !seen.has(r.n); });
    by("hits").textContent = wanted ? number(found) + " of the points drawn" : "";
    later();
  });

  sort("size");
  paint();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
  new ResizeObserver(later).observe(canvas);
}
