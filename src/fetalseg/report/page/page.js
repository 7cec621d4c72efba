"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);
  const PAGE = 50;
  const COMPARE = new Intl.Collator("en", { numeric: true, sensitivity: "base" }).compare;
  // What is sorted, and which way; without a key, flagged cases come first, as the cases are listed.
  const asked = { key: null, down: false, page: 0, text: "", flag: "", states: new Set(data.states.map((s) => s.word)) };
  let shown = data.cases;
  let opened = null;

  // All text enters the page as text, never as markup: file names may hold anything.
  function make(tag, properties, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(properties || {})) {
      if (name in element && name !== "role") element[name] = value;
      else element.setAttribute(name, value);
    }
    element.append(...children);
    return element;
  }

  function badge(word) {
    return make("span", { className: `badge ${word}` }, `${data.signs[word] || "!"} ${word}`);
  }

  function picture(kind, index) {
    const held = byId(`${kind}-${index}`);
    return held ? `data:image/jpeg;base64,${held.textContent.trim()}` : "";
  }

  data.cases.forEach((item, index) => {
    item.index = index;
    const sentences = item.flags.map((code) => `${data.flags[code].words} ${data.flags[code].text}`);
    // Numbers are sorted, not searched: digits of a hash or a size are no file's name.
    item.text = [item.name, item.state, item.told, item.edited, ...sentences, ...item.notes].join("\n").toLowerCase();
  });

  // Columns: the same for head and body.
  const columns = [
    { key: "state", title: "State", about: "accept, check, refuse; failed files have none" },
    { key: "picture", title: "Picture" },
    { key: "name", title: "File", about: "as in measurements.csv" },
    ...data.columns.map((column, at) => ({ ...column, at })),
    { key: "flags", title: "Flags", about: "what should make a person look again" },
  ];

  // The rank of a value goes before the value, whichever way is sorted: what is not known stays last.
  function sortValue(item, column) {
    if (column.key === "state") return [0, data.states.findIndex((s) => s.word === item.state)];
    if (column.key === "name") return [0, item.name];
    if (column.key === "flags") return [item.flags.length || item.told ? 0 : 2, item.flags.length];
    const cell = item.cells[column.at];
    return [cell[2] || 0, cell[1]];
  }

  function sorted(items) {
    const column = columns.find((c) => c.key === asked.key);
    if (!column) return items;
    const sign = asked.down ? -1 : 1;
    return items
      .map((item) => [item, ...sortValue(item, column)])
      .sort((a, b) => a[1] - b[1] || sign * (typeof a[2] === "number" && typeof b[2] === "number" ? a[2] - b[2] : COMPARE(a[2], b[2])) || a[0].index - b[0].index)
      .map((entry) => entry[0]);
  }

  function update(page = 0) {
    const words = asked.text.toLowerCase().split(/\s+/).filter(Boolean);
    shown = sorted(data.cases.filter((item) => asked.states.has(item.state) && (!asked.flag || item.flags.includes(asked.flag))
      && words.every((word) => item.text.includes(word))));
    asked.page = page;
    render();
  }

  function render(all = false) {
    const pages = Math.max(1, Math.ceil(shown.length / PAGE));
    asked.page = Math.min(Math.max(asked.page, 0), pages - 1);
    const first = all ? 0 : asked.page * PAGE;
    const part = all ? shown : shown.slice(first, first + PAGE);
    document.querySelector("#cases tbody").replaceChildren(...part.map(row));
    byId("nothing").hidden = shown.length > 0;
    byId("count").textContent = `${shown.length} of ${data.cases.length} shown`;
    byId("pager").hidden = pages === 1;
    byId("page").textContent = `${first + 1} to ${first + part.length} of ${shown.length}`;
    byId("before").disabled = asked.page === 0;
    byId("after").disabled = asked.page === pages - 1;
    for (const th of document.querySelectorAll("#cases th")) {
      const sort = th.dataset.key === asked.key ? (asked.down ? "descending" : "ascending") : "none";
      if (th.dataset.key !== "picture") th.setAttribute("aria-sort", sort);
    }
    for (const button of byId("states").children) button.setAttribute("aria-pressed", String(asked.states.has(button.dataset.state)));
    byId("flag").value = asked.flag;
  }

  function row(item) {
    // What failed has no numbers: its sentence takes their place.
    const own = item.told ? columns.slice(0, 3) : columns;
    const cells = own.map((column) => {
      if (column.key === "state") return make("td", { className: "state", role: "cell" }, badge(item.state));
      if (column.key === "picture") return make("td", { className: "thumb", role: "cell" }, opener(item));
      if (column.key === "name") return nameCell(item);
      if (column.key === "flags") return flagCell(item);
      const [text, , , full] = item.cells[column.at];
      const className = `${column.numeric ? "num" : ""} ${column.key}${text === "—" ? " empty" : ""}`;
      return make("td", { className, title: full || "", role: "cell", "data-label": column.title }, text);
    });
    if (item.told) cells.push(make("td", { className: "told", colSpan: columns.length - own.length, role: "cell" }, item.told));
    const made = make("tr", { role: "row" }, ...cells);
    made.addEventListener("click", (event) => {
      if (!String(getSelection())) open(item, event);
    });
    return made;
  }

  function opener(item) {
    const small = picture("small", item.index);
    const inside = small ? make("img", { src: small, alt: "", loading: "lazy" }) : "details";
    return make("button", { type: "button", "aria-label": `Open ${item.name}` }, inside);
  }

  function nameCell(item) {
    const cell = make("td", { className: "name", role: "cell" });
    item.name.split(/(?<=[/_.-])/).forEach((part) => cell.append(part, make("wbr")));
    for (const text of [item.frame, item.edited]) {
      if (text) cell.append(make("br"), make("small", { className: text === item.edited ? "edited" : "" }, text));
    }
    return cell;
  }

  function flagCell(item) {
    const said = item.flags.map((code) => data.flags[code].text).join("\n");
    const text = item.flags.map((code) => data.flags[code].words).join(", ");
    const className = `flags${text ? "" : " empty"}`;
    return make("td", { className, title: said, role: "cell", "data-label": "Flags" }, text || "—");
  }

  // The large view
  function open(item) {
    opened = item;
    byId("view-state").replaceChildren(badge(item.state));
    byId("view-title").textContent = item.name;
    const at = shown.indexOf(item);
    byId("view-place").textContent = at >= 0 ? `${at + 1} of ${shown.length}` : "";
    byId("view-before").disabled = at <= 0;
    byId("view-after").disabled = at < 0 || at >= shown.length - 1;
    showPicture(item);
    byId("view-text").replaceChildren(...told(item));
    if (!byId("view").open) byId("view").showModal();
    document.querySelector(".view-body").scrollTop = 0;
  }

  function showPicture(item) {
    const place = byId("view-picture");
    const small = picture("small", item.index);
    const source = picture("large", item.index) || item.link;
    if (!source) {
      const why = item.told ? "There is no picture of a file that gave no result." : "This run wrote no picture of it.";
      place.replaceChildren(...(small ? [make("img", { src: small, alt: item.name })] : []), make("p", { className: "faint" }, why));
      return;
    }
    const image = make("img", { alt: `${item.name}: ${item.headline}` });
    image.addEventListener("error", () => {
      const where = decodeURIComponent(item.link);
      image.replaceWith(...(small ? [make("img", { src: small, alt: item.name })] : []),
        make("p", { className: "faint" }, `The large picture is not in this page, to keep it small. It is ${where} beside the page, and is not there now.`));
    });
    image.src = source;
    place.replaceChildren(image);
  }

  function told(item) {
    const out = [];
    if (item.headline) out.push(make("p", { className: "headline" }, item.headline));
    const sentences = [item.told, ...item.flags.map((code) => data.flags[code].text), ...item.notes].filter(Boolean);
    if (sentences.length) out.push(make("ul", {}, ...sentences.map((text) => make("li", {}, text))));
    const list = make("dl");
    for (const [label, text, full] of item.details) list.append(make("dt", {}, label), make("dd", { title: full || "" }, text));
    out.push(list);
    if (item.parts.length) {
      const cells = (tag, values) => make("tr", {}, ...values.map((text) => make(tag, {}, text)));
      const table = make("table", {}, make("thead", {}, cells("th", data.parts)), make("tbody", {}, ...item.parts.map((values) => cells("td", values))));
      out.push(make("div", { className: "scroll" }, table));
    }
    out.push(make("p", {}, make("strong", {}, data.research)));
    return out;
  }

  function step(by) {
    const next = shown[shown.indexOf(opened) + by];
    if (next) open(next);
  }

  // Controls
  function sortBy(key) {
    if (asked.key !== key) [asked.key, asked.down] = [key, false];
    else if (!asked.down) asked.down = true;
    else [asked.key, asked.down] = [null, false];
    update();
  }

  document.querySelector("#cases thead").append(make("tr", { role: "row" }, ...columns.map((column) => {
    const head = make("th", { scope: "col", role: "columnheader", className: column.numeric ? "num" : "", title: column.about || "" });
    head.dataset.key = column.key;
    if (column.key === "picture") head.append(make("span", { style: "padding:4px 5px" }, column.title));
    else {
      const button = make("button", { type: "button" }, column.title);
      button.addEventListener("click", () => sortBy(column.key));
      head.append(button);
    }
    return head;
  })));
  byId("states").append(...data.states.filter((state) => state.count).map((state) => {
    const button = make("button", { type: "button" }, badge(state.word), ` ${state.count}`);
    button.dataset.state = state.word;
    button.addEventListener("click", () => {
      if (!asked.states.delete(state.word)) asked.states.add(state.word);
      update();
    });
    return button;
  }));
  byId("flag").append(make("option", { value: "" }, "All flags"), ...Object.entries(data.flags).map(([code, flag]) =>
    make("option", { value: code }, `${flag.words} (${flag.count})`)));
  byId("flag").addEventListener("change", (event) => { asked.flag = event.target.value; update(); });
  byId("search").addEventListener("input", (event) => { asked.text = event.target.value; update(); });
  byId("reset").addEventListener("click", () => {
    Object.assign(asked, { key: null, down: false, text: "", flag: "", states: new Set(data.states.map((s) => s.word)) });
    byId("search").value = "";
    update();
  });
  const turn = (by) => { asked.page += by; render(); byId("toolbar").scrollIntoView(); };
  byId("before").addEventListener("click", () => turn(-1));
  byId("after").addEventListener("click", () => turn(1));
  byId("view-before").addEventListener("click", () => step(-1));
  byId("view-after").addEventListener("click", () => step(1));
  byId("view-close").addEventListener("click", () => byId("view").close());
  byId("view").addEventListener("click", (event) => { if (event.target === byId("view")) byId("view").close(); });
  byId("view").addEventListener("close", () => {
    const at = shown.indexOf(opened);
    if (at < 0) return;
    if (Math.floor(at / PAGE) !== asked.page) { asked.page = Math.floor(at / PAGE); render(); }
    document.querySelectorAll("#cases td.thumb button")[at % PAGE]?.focus();
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (byId("view").open) {
      if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
        event.preventDefault();
        step(event.key === "ArrowLeft" ? -1 : 1);
      }
      return;
    }
    if (event.key === "/" && !/INPUT|SELECT|TEXTAREA/.test(event.target.tagName)) {
      event.preventDefault();
      byId("search").focus();
    }
    const buttons = [...document.querySelectorAll("#cases td.thumb button")];
    const at = buttons.indexOf(document.activeElement);
    if (at >= 0 && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      event.preventDefault();
      buttons[at + (event.key === "ArrowDown" ? 1 : -1)]?.focus();
    }
  });
  for (const [state, indices] of Object.entries(data.points)) {
    document.querySelectorAll(`svg.chart #points-${state} use`).forEach((point, at) =>
      point.addEventListener("click", () => open(data.cases[indices[at]])));
  }
  addEventListener("beforeprint", () => render(true));
  addEventListener("afterprint", () => render());
  update();
})();
