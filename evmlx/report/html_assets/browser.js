(() => {
  const source = document.getElementById("browser-data");
  if (!source) return;
  const data = JSON.parse(source.textContent);
  const byId = (id) => document.getElementById(`b-${id}`);
  const { emotions, layers, texts } = data;
  const count = emotions.length;
  const UNIT = 10000, UNKNOWN = -32768, PAGE = 60;

  const bytes = Uint8Array.from(atob(data.scores), (c) => c.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  const score = (text, layer, emotion) => {
    const whole = view.getInt16(2 * ((text * layers.length + layer) * count + emotion), true);
    return whole === UNKNOWN ? NaN : whole / UNIT;
  };
  const scores = (text, layer) => emotions.map((_, e) => score(text, layer, e));
  const ranked = (values) => values.map((v, e) => [v, e]).filter(([v]) => !Number.isNaN(v))
    .sort((a, b) => b[0] - a[0]);
  const rank = (text, layer) => {
    const own = score(text, layer, texts[text][2]);
    if (Number.isNaN(own)) return NaN;
    return scores(text, layer).filter((v) => v >= own).length;
  };
  const signed = (v) => {
    const size = Math.abs(v).toFixed(2);
    return Number.isNaN(v) ? "\u2013" : (Number(size) ? (v < 0 ? "\u2212" : "+") : "") + size;
  };
  const make = (tag, text, className) => {
    const one = document.createElement(tag);
    if (text !== undefined) one.textContent = text;
    if (className) one.className = className;
    return one;
  };

  const chosen = () => ({
    kind: Number(byId("kind").value), emotion: Number(byId("emotion").value),
    layer: Number(byId("layer").value), order: byId("order").value,
    words: byId("search").value.trim().toLowerCase(),
  });
  let picked = -1, length = PAGE, found = [];

  // A table of scores, one bar each; the right emotion in bold. A bar's length goes by the largest
  // score of the whole set at that layer.
  const bars = (values, right, near) => {
    const { kind, layer } = chosen();
    const table = make("table", undefined, "bars");
    const widest = data.scales[kind][layer][0] || 1;
    for (const [v, e] of ranked(values)) {
      const row = table.insertRow();
      const name = make("th", emotions[e] + (near.includes(e) ? " (near)" : ""));
      name.scope = "row";
      if (e === right) row.className = "right";
      const track = make("td", undefined, "track"), bar = make("div", undefined, "bar");
      const fill = make("i", undefined, data.colours[e]);
      fill.style.width = `${Math.abs(v) / widest * 50}%`;
      fill.style[v < 0 ? "right" : "left"] = "50%";
      bar.append(fill);
      track.append(bar);
      row.append(name, track, make("td", signed(v)));
    }
    const part = make("div");
    part.append(table, make("p", `Bars to the right of the middle are positive, to the left `
      + `negative, in the colour of the emotion's cluster; the track ends at \u00b1${widest.toFixed(2)}. `
      + `Bold: the emotion that the text was written for.`
      + (near.length ? " (near): one that a careful reader might also name." : ""), "meta"));
    return part;
  };
  const simpleTable = (head, rows) => {
    const scroll = make("div", undefined, "scroll"), table = make("table");
    const top = table.createTHead().insertRow();
    for (const name of head) top.append(Object.assign(make("th", name), { scope: "col" }));
    const body = table.createTBody();
    for (const [first, ...others] of rows) {
      const row = body.insertRow();
      row.append(Object.assign(make("th", first), { scope: "row" }), ...others.map((v) => make("td", v)));
    }
    scroll.append(table);
    return scroll;
  };

  const showText = (at) => {
    const [kind, id, emotion, topic, scene, near, text] = texts[at];
    const { layer } = chosen();
    const parts = [make("h3", `${emotions[emotion]}: ${data.kinds[kind][1].replace("stories", "a story")
      .replace("situations", "a situation").replace("messages", "a message")}`)];
    parts.push(make("span", id + (topic < 0 ? "" : `. Topic: ${data.topics[topic]}`), "meta"));
    parts.push(make("p", text, "story"));
    parts.push(make("h4", `Cosine with every emotion vector, layer ${layers[layer]}`));
    parts.push(bars(scores(at, layer), emotion, near));
    parts.push(make("h4", "Over the layers"));
    parts.push(simpleTable(
      ["layer", `rank of ${emotions[emotion]}`, "nearest vectors"],
      layers.map((name, l) => [
        String(name), Number.isNaN(rank(at, l)) ? "\u2013" : `${rank(at, l)} of ${count}`,
        ranked(scores(at, l)).slice(0, 3).map(([v, e]) => `${emotions[e]} ${signed(v)}`).join(", "),
      ])));
    if (scene >= 0) {
      parts.push(make("h4", "The same scene, told for another emotion"));
      const others = make("div", undefined, "chosen");
      texts.forEach((one, other) => {
        if (one[4] !== scene || one[0] !== kind || other === at) return;
        const press = make("button", emotions[one[2]]);
        press.type = "button";
        press.addEventListener("click", () => { pick(other); });
        others.append(press);
      });
      parts.push(others);
    }
    byId("detail").replaceChildren(...parts);
  };

  // What the texts found have in common: mean score with every vector, and which is nearest.
  const showEmotion = () => {
    const { emotion, layer } = chosen();
    const name = emotion < 0 ? "all emotions" : emotions[emotion];
    const parts = [make("h3", `${found.length.toLocaleString("en")} texts of ${name}`)];
    if (found.length && emotion >= 0) {
      const sums = new Float64Array(count), seen = new Float64Array(count);
      const first = new Float64Array(count);
      for (const at of found) {
        const values = scores(at, layer);
        values.forEach((v, e) => { if (!Number.isNaN(v)) { sums[e] += v; seen[e] += 1; } });
        const best = ranked(values)[0];
        if (best) first[best[1]] += 1;
      }
      const means = [...sums].map((v, e) => seen[e] ? v / seen[e] : NaN);
      parts.push(make("h4", `Mean cosine with every emotion vector, layer ${layers[layer]}`));
      parts.push(bars(means, emotion, []));
      const share = (n) => `${(100 * n / found.length).toFixed(0)}%`;
      const most = [...first].map((n, e) => [n, e]).sort((a, b) => b[0] - a[0]);
      parts.push(make("p", `Nearest vector: ${most.slice(0, 4).filter(([n]) => n)
        .map(([n, e]) => `${emotions[e]} ${share(n)}`).join(", ")} of these texts.`));
      const cosines = data.cosines[layer];
      if (cosines) {
        const beside = ranked(cosines[emotion].map((v) => v === null ? NaN : v))
          .filter(([, e]) => e !== emotion);
        const say = (some) => some.map(([v, e]) => `${emotions[e]} ${signed(v)}`).join(", ");
        parts.push(make("p", `Vectors nearest to that of ${name}: ${say(beside.slice(0, 3))}; `
          + `farthest: ${say(beside.slice(-3).reverse())}.`));
      }
    } else {
      parts.push(make("p", "Pick an emotion, or a text in the list."));
    }
    byId("detail").replaceChildren(...parts);
  };

  const drawList = () => {
    const { layer } = chosen();
    const list = byId("list");
    list.replaceChildren();
    for (const at of found.slice(0, length)) {
      const text = texts[at][6];
      const press = make("button", text.length > 110 ? `${text.slice(0, 110)}\u2026` : text);
      press.type = "button";
      press.dataset.at = at;
      press.setAttribute("aria-pressed", String(at === picked));
      const place = rank(at, layer);
      press.append(make("span", `${emotions[texts[at][2]]}, rank ${Number.isNaN(place) ? "\u2013" : place}`,
        "meta"));
      press.addEventListener("click", () => pick(at));
      const item = make("li");
      item.append(press);
      list.append(item);
    }
    if (found.length > length) {
      const item = make("li"), more = make("button", `Show ${PAGE} more`);
      more.type = "button";
      more.addEventListener("click", () => { length += PAGE; drawList(); });
      item.append(more);
      list.append(item);
    }
  };

  // Ids repeat between sets: messages are read twice.
  const address = (at) => `#text=${encodeURIComponent(data.kinds[texts[at][0]][0])}/`
    + encodeURIComponent(texts[at][1]);
  // List and text stand one under the other, as on a phone.
  const stacked = () => byId("detail").getBoundingClientRect().top
    >= byId("list").getBoundingClientRect().bottom;
  const pick = (at) => {
    picked = at;
    for (const press of byId("list").querySelectorAll("button[data-at]")) {
      press.setAttribute("aria-pressed", String(Number(press.dataset.at) === at));
    }
    showText(at);
    if (stacked()) byId("detail").scrollIntoView();
    try { history.replaceState(null, "", address(at)); } catch { /* none */ }
  };

  const refresh = (event) => {
    const { kind, emotion, layer, order, words } = chosen();
    found = [];
    texts.forEach((one, at) => {
      if (one[0] !== kind || (emotion >= 0 && one[2] !== emotion)) return;
      if (words && !one[6].toLowerCase().includes(words)) return;
      found.push(at);
    });
    if (order !== "corpus") {
      const sign = order === "best" ? 1 : -1;
      const places = new Map(found.map((at) => [at, rank(at, layer)]));
      found.sort((a, b) => sign * (places.get(a) - places.get(b)));
    }
    const right = found.filter((at) => rank(at, layer) === 1).length;
    document.getElementById("b-count").textContent = found.length
      ? `${found.length.toLocaleString("en")} texts; the right emotion comes first in `
        + `${(100 * right / found.length).toFixed(0)}% (chance ${(100 / count).toFixed(0)}%).`
      : "No text has these words.";
    const [largest, typical, low, high] = data.scales[kind][layer];
    byId("scoring").textContent = data.kinds[kind][2];
    byId("scale").textContent = largest === null ? "" : `In this set, layer ${layers[layer]}: the right `
      + `emotion's score is typically ${signed(typical)} (median); the middle 90% of all scores lie `
      + `between ${signed(low)} and ${signed(high)}. All bars of a set and layer have one scale.`;
    length = PAGE;
    const keep = event && event.target === byId("layer") && picked >= 0;
    if (!keep) picked = -1;
    drawList();
    if (keep) showText(picked); else showEmotion();
  };

  for (const id of ["kind", "emotion", "layer", "order", "search"]) {
    byId(id).addEventListener("input", refresh);
  }
  byId("emotion").value = "0";
  document.getElementById("browser").hidden = false;
  // An address may name a text, with its set before it.
  const open = () => {
    const wanted = location.hash.match(/^#text=(?:([^/]*)\/)?([^/]*)$/);
    if (!wanted) return false;
    let names;
    try { names = wanted.slice(1).map((part) => part && decodeURIComponent(part)); } catch { return false; }
    const at = texts.findIndex(([kind, id]) => id === names[1]
      && (names[0] === undefined || names[0] === data.kinds[kind][0]));
    if (at < 0) return false;
    byId("kind").value = String(texts[at][0]);
    byId("emotion").value = String(texts[at][2]);
    byId("search").value = "";
    refresh();
    length = Math.max(PAGE, found.indexOf(at) + 1);
    drawList();
    pick(at);
    const list = byId("list"), press = list.querySelector(`button[data-at="${at}"]`);
    list.scrollTop += press.getBoundingClientRect().top - list.getBoundingClientRect().top;
    // not before the page has loaded: until then the browser puts the scroll back to the top
    const show = () => (stacked() ? byId("detail") : document.getElementById("story-browser"))
      .scrollIntoView({ behavior: "instant" });
    if (document.readyState === "complete") show(); else addEventListener("load", show);
    return true;
  };
  addEventListener("hashchange", open);
  if (!open()) refresh();
})();
