"use strict";
(async () => {
  const $ = (selector, from = document) => from.querySelector(selector);
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];
  // The same characters as in trace/printable.rs, made visible.
  const hidden = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;
  const visible = (text) => typeof text !== "string" ? text
    : text.replace(hidden, (c) => `\\u{${c.charCodeAt(0).toString(16)}}`);
  // Children are appended as text, so that no text of an implementation becomes markup.
  const make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else if (value !== null && value !== undefined && value !== false)
        element.setAttribute(name, value === true ? "" : visible(value));
    }
    element.append(...children.flat()
      .filter((child) => child !== null && child !== undefined).map(visible));
    return element;
  };
  const withCode = (text) =>
    (text ?? "").split("`").map((part, index) => (index % 2 ? make("code", {}, part) : part));

  // Requirements: the rows are in the document and need no data.
  const find = $("#find"), unmet = $("#unmet"), core = $("#core");
  const filterRequirements = () => {
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    let any = false;
    for (const row of all(".requirement")) {
      const text = row.textContent.toLowerCase();
      const matches = words.every((word) => text.includes(word))
        && (!unmet.checked || "unmet" in row.dataset)
        && (!core.checked || "core" in row.dataset);
      row.hidden = !matches;
      any ||= matches;
    }
    for (const group of all(".family")) group.hidden = !$(".requirement:not([hidden])", group);
    $("#no-match").hidden = any;
  };
  $("#requirements .tools").hidden = false;
  for (const input of [find, unmet, core]) input.addEventListener("input", filterRequirements);

  const unpack = async (text) => {
    const bytes = Uint8Array.from(atob(text.trim()), (c) => c.charCodeAt(0));
    const inflated = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
    return new Response(inflated).json();
  };
  let data;
  try {
    data = await unpack($("#data").textContent);
  } catch (error) {
    $("main").prepend(make("section", { class: "trouble" },
      make("h2", {}, "No traces"),
      make("p", {}, `This browser cannot unpack the traces: ${error}`)));
    return;
  }
  const indexOfCase = new Map(data.cases.map((one, index) => [one.id, index]));

  // The matrix.
  const filters = $("#filters"), squares = all("button.sq"), chips = all("#legend button");
  const chosenVerdicts = new Set();
  const severity = chips.map((chip) => chip.dataset.verdict).reverse();
  const verdictOf = (one, requirement) => {
    if (!requirement) return one.effective_verdict;
    const verdicts = one.findings
      .filter((finding) => finding.requirement === requirement)
      .map((finding) => finding.effective_verdict);
    return verdicts.sort((a, b) => severity.indexOf(b) - severity.indexOf(a))[0] ?? null;
  };
  let shownCases = [];
  const filterMatrix = () => {
    const form = new FormData(filters), requirement = form.get("requirement");
    const axes = data.axes
      .map((axis, index) => [axis, index, form.get(axis)])
      .filter(([, , value]) => value);
    const matches = (one) => axes.every(([axis, index, value]) =>
      axis === "upstream" ? one.values[index].includes(value) : one.values[index] === value);
    const counts = new Map();
    shownCases = [];
    for (const square of squares) {
      const index = Number(square.dataset.index), one = data.cases[index];
      const verdict = verdictOf(one, requirement);
      const inside = verdict !== null && matches(one);
      if (inside) counts.set(verdict, (counts.get(verdict) ?? 0) + 1);
      const on = inside && (chosenVerdicts.size === 0 || chosenVerdicts.has(verdict));
      square.className = `sq ${verdict ?? "none"}${on ? "" : " off"}`;
      square.setAttribute("aria-label", visible(`${one.id}: ${verdict ?? "not judged"}`));
      square.title = visible(`${one.values.join(" / ")}\n${verdict ?? "not judged"}`);
      square.tabIndex = on ? 0 : -1;
      if (on) shownCases.push(index);
    }
    const filtered = requirement || axes.length > 0 || chosenVerdicts.size > 0;
    for (const body of all(".heat tbody")) {
      for (const row of all("tr:not(.group)", body))
        row.hidden = filtered && !$(".sq:not(.off)", row);
      body.hidden = filtered && !$("tr:not(.group):not([hidden])", body);
    }
    for (const chip of chips) {
      const verdict = chip.dataset.verdict, count = counts.get(verdict) ?? 0;
      $(".n", chip).textContent = count;
      chip.hidden = count === 0 && !chosenVerdicts.has(verdict);
      chip.disabled = false;
      chip.setAttribute("aria-pressed", chosenVerdicts.has(verdict));
    }
    $("#shown").textContent = `${shownCases.length} of ${squares.length} matrix cases`;
  };
  const showRequirement = (id) => {
    filters.elements.requirement.value = id;
    filterMatrix();
    $("#matrix").scrollIntoView();
  };
  if (filters) {
    filters.hidden = false;
    filters.addEventListener("input", filterMatrix);
    filters.addEventListener("submit", (event) => event.preventDefault());
    filters.addEventListener("reset", () => { chosenVerdicts.clear(); setTimeout(filterMatrix); });
    for (const chip of chips) chip.addEventListener("click", () => {
      chosenVerdicts.delete(chip.dataset.verdict) || chosenVerdicts.add(chip.dataset.verdict);
      filterMatrix();
    });
    for (const button of all(".show")) {
      const id = button.dataset.show;
      button.hidden = !$(`option[value="${CSS.escape(id)}"]`, filters);
      button.addEventListener("click", () => {
        filters.reset();
        setTimeout(() => {
          showRequirement(id);
          history.replaceState(null, "", `#show=${id}`);
        });
      });
    }
    filterMatrix();
  }

  // One case: findings, trace and commands.
  const dialog = $("#case");
  const harmless = ["pass", "info", "not-applicable", "skip", "inconclusive"];
  const count = (number, one, several) => `${number} ${number === 1 ? one : several}`;
  const readable = (kind) => kind.replace("-", " ");
  const bold = (text, kind) => make("b", kind ? { class: kind } : {}, text);
  const role = (text) => make("span", { class: "role" }, text);
  const milliseconds = (value) => (value >= 100 ? value.toFixed(0) : value.toFixed(1));
  const pretty = (body) => {
    try { return JSON.stringify(JSON.parse(body), null, 2); } catch { return body; }
  };
  // Splits a text at the secrets in it, and notes which kinds occur.
  const withSecrets = (text, secrets, kinds) => {
    const parts = [];
    let rest = String(text);
    while (rest) {
      const hits = secrets
        .map((secret) => ({ secret, start: rest.indexOf(secret.value) }))
        .filter(({ start }) => start >= 0)
        .sort((a, b) => a.start - b.start);
      if (hits.length === 0) break;
      const [{ secret: { kind, value }, start }] = hits;
      kinds.add(kind);
      parts.push(rest.slice(0, start), make("mark", { class: kind, title: readable(kind) }, value));
      rest = rest.slice(start + value.length);
    }
    return [...parts, rest];
  };
  const message = (title, headers, body, secrets, kinds) => {
    const fields = headers.flatMap(([name, value]) =>
      [make("span", { class: "name" }, `${name}: `), ...withSecrets(value, secrets, kinds), "\n"]);
    return make("div", { class: "message" },
      make("p", {}, title),
      fields.length ? make("pre", {}, fields) : null,
      body ? make("pre", {}, ...withSecrets(pretty(body), secrets, kinds)) : null);
  };
  const clientMessages = (one, kinds) => one.trace.exchanges.flatMap((exchange, index) => {
    const status = exchange.status === null
      ? bold("no response", "bad")
      : bold(String(exchange.status), exchange.status < 400 ? "good" : "bad");
    const time = exchange.head_after_ms === null
      ? null
      : role(`head after ${milliseconds(exchange.head_after_ms)} ms`);
    const ending = one.endings[index] === null ? null : role(one.endings[index]);
    const deviates = index === one.deviating && one.trace.exchanges.length > 1
      ? bold("deviates", "bad")
      : null;
    const request = [role("client sends"), bold(exchange.method), exchange.path, deviates];
    const response = [role("gateway answers"), status, time, ending];
    return [
      message(request, exchange.sent_headers, exchange.sent_body, one.trace.secrets, kinds),
      message(response, exchange.headers, exchange.body, one.trace.secrets, kinds),
    ];
  });
  const upstreamMessages = (one, kinds) => one.trace.arrivals.map((arrival) => {
    const { server, method, rpc_method, target, answered, connection, at_ms } = arrival;
    const title = [
      bold(server), role("received"), `${method} ${rpc_method ?? target}`,
      role("and answered"), bold(answered),
      role(`connection ${connection}, at ${milliseconds(at_ms)} ms`),
    ];
    return message(title, arrival.headers, arrival.body, one.trace.secrets, kinds);
  });
  const findingRow = (finding) => {
    const requirement = data.requirements[finding.requirement];
    const verdict = finding.effective_verdict;
    const source = `rule ${finding.rule} · ${(requirement?.sources ?? []).join(" · ")}`;
    const impact = requirement?.impact && !harmless.includes(verdict)
      ? make("p", { class: "source" }, "impact: ", withCode(requirement.impact))
      : null;
    return make("div", { class: "finding" },
      make("div", {}, make("span", { class: `chip ${verdict}` }, verdict)),
      make("div", {},
        make("p", {}, make("b", { class: "id" }, finding.requirement),
          ` ${requirement?.level ?? ""} `, withCode(requirement?.statement)),
        make("p", { class: "values" }, make("code", {}, finding.observable),
          " expected ", make("code", {}, finding.expected),
          ", actual ", make("code", {}, finding.actual)),
        make("p", { class: "source" }, source),
        impact));
  };
  const command = (text) => {
    const button = make("button", { class: "copy", type: "button", onclick: async () => {
      try {
        await navigator.clipboard.writeText(text);
        button.textContent = "copied";
      } catch {
        getSelection().selectAllChildren(button.previousSibling);
        button.textContent = "selected";
      }
    } }, "copy");
    return make("div", { class: "command" }, make("pre", {}, text), button);
  };
  const findingsPart = (one) => {
    const isHarmless = (finding) => harmless.includes(finding.effective_verdict);
    const problems = one.findings.filter((finding) => !isHarmless(finding));
    const others = one.findings.filter(isHarmless);
    const folded = others.length === 0 ? null : make("details",
      { class: "folded", open: problems.length === 0 },
      make("summary", {}, count(others.length, "finding without a problem", "findings without a problem")),
      others.map(findingRow));
    const control = one.evidence.control === false
      ? make("p", {}, "The positive control of this case failed, so the case shows nothing.")
      : null;
    return [
      make("h3", {}, "Expected and actual"),
      one.findings.length ? null : make("p", {}, "No rule judges this case."),
      problems.map(findingRow), folded, control,
    ].flat();
  };
  const tracePart = (one) => {
    const kinds = new Set();
    const sent = clientMessages(one, kinds), received = upstreamMessages(one, kinds);
    const marks = [...kinds].map((kind) => make("mark", { class: kind }, readable(kind)));
    return [
      marks.length === 0 ? null : make("p", { class: "keys" }, "highlighted: ", marks),
      make("div", { class: "sides" },
        make("section", {}, make("h3", {}, "Client saw"),
          sent.length ? sent : make("p", {}, "The client sent no request.")),
        make("section", {}, make("h3", {}, "Upstream saw"),
          received.length ? received : make("p", {}, "No request reached an upstream server."))),
    ];
  };
  const reproducePart = (one) => [
    make("h3", {}, "Reproduce"),
    command(one.reproduce),
    one.curl && one.trace.exchanges.length > 1 ? make("p", { class: "note" },
      `Request ${(one.deviating ?? one.trace.exchanges.length - 1) + 1} of ${one.trace.exchanges.length}:`) : null,
    one.curl ? command(one.curl) : null,
    one.curl ? make("p", { class: "note" },
      "Run the first command and leave it running, then run the second one. ",
      "Replace the port: it differs from run to run.") : null,
  ];
  const observationsPart = (one) => {
    const observations = Object.entries(one.observations);
    if (observations.length === 0) return null;
    return make("details", { class: "folded" },
      make("summary", {}, count(observations.length, "observation", "observations")),
      make("dl", { class: "evidence" }, observations.flatMap(([name, value]) =>
        [make("dt", {}, name), make("dd", {}, value)])));
  };
  const openCase = (index) => {
    const one = data.cases[index];
    if (!one) return;
    const sequence = shownCases.includes(index) ? shownCases : [index];
    const neighbour = (offset) => sequence[sequence.indexOf(index) + offset];
    const step = (label, title, to) => make("button",
      { type: "button", title, "aria-label": title, disabled: to === undefined,
        onclick: () => openCase(to) }, label);
    dialog.replaceChildren(
      make("div", { class: "case-head" },
        make("div", {},
          make("span", { class: `chip ${one.effective_verdict}` }, one.effective_verdict),
          make("h2", { id: "case-title", tabindex: "-1", autofocus: true }, one.id)),
        make("div", { class: "walk" },
          step("←", "previous case (left arrow)", neighbour(-1)),
          step("→", "next case (right arrow)", neighbour(1)),
          make("button", { type: "button", title: "close (Escape)", "aria-label": "close",
            onclick: () => dialog.close() }, "✕"))),
      make("div", { class: "case-body" },
        findingsPart(one), tracePart(one), reproducePart(one), observationsPart(one)));
    dialog.onkeydown = (event) => {
      const to = { ArrowLeft: neighbour(-1), ArrowRight: neighbour(1) }[event.key];
      if (to !== undefined) { event.preventDefault(); openCase(to); }
    };
    if (!dialog.open) dialog.showModal();
    dialog.scrollTop = 0;
    history.replaceState(null, "", `#case=${encodeURIComponent(one.id)}`);
  };
  dialog.addEventListener("close", () =>
    history.replaceState(null, "", location.pathname + location.search));
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-index], [data-case]");
    if (!button) return;
    const { index, case: id } = button.dataset;
    openCase(index === undefined ? indexOfCase.get(id) : Number(index));
  });

  // A link can name a case, or the requirement by which the matrix is filtered.
  const [, target, name] = location.hash.match(/^#(case|show)=(.*)$/) ?? [];
  if (target === "case") openCase(indexOfCase.get(decodeURIComponent(name)));
  if (target === "show" && filters) showRequirement(decodeURIComponent(name));
  document.documentElement.dataset.ready = "yes";
})();
