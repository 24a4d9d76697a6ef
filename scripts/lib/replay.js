// The replay player: draws recorded runs of several servers at one moment, and
// lets that moment move. What is drawn depends on the moment alone, so it can be
// moved anywhere. See scripts/watch/scenes.py for what a record holds.

"use strict";

{
    const root = document.currentScript.closest(".replay");
    const data = JSON.parse(root.querySelector("[type='application/json']").text);
    const still = matchMedia("(prefers-reduced-motion: reduce)");

    // Columns of a request in the records.
    const [CLIENT, N, SENT, RECEIVED, BEGIN, END, REPLIED, ARRIVED, THREAD,
        CORE] = Array(10).keys();
    const CONNECTED = 0, ACCEPTED = 1, CLOSED = 2;

    const SCENE_S = 15;  // what a whole scene takes at speed 1
    const FLIGHT_S = 0.35;  // a dot's way from place to place, on the screen
    const STILL_STEP_S = 0.7;  // between two steps, if motion is unwanted
    const SPEEDS = [0.25, 0.5, 1, 2, 4];
    const FONT = "system-ui, sans-serif", LABEL = 15, SMALL = 13;  // pixels

    const OPENING = 0.5;  // of the first scene: what is shown before it plays

    let scene, moment, playing = false, speed = 1, last, panels;
    let untouched = true;

    // ---- The page

    function element(parent, tag, properties = {}, attributes = {}) {
        const one = Object.assign(document.createElement(tag), properties);
        for (const [name, value] of Object.entries(attributes))
            one.setAttribute(name, value);
        parent.append(one);
        return one;
    }

    function button(parent, text, label, action) {
        const one = element(parent, "button", {textContent: text, type: "button",
            title: label}, {"aria-label": label});
        one.addEventListener("click", action);
        return one;
    }

    root.tabIndex = 0;
    root.setAttribute("aria-label", "Replay of recorded runs");
    const tabs = element(root, "div", {className: "bar"});
    const sceneButtons = data.scenes.map((one, i) =>
        button(tabs, one.title, `Scene ${i + 1}: ${one.title}`,
            () => choose(one)));
    const question = element(root, "p", {className: "question"});
    const bar = element(root, "div", {className: "bar"});
    const back = button(bar, "◀", "One event back", () => step(-1));
    const play = button(bar, "Play", "Play or pause", () => setPlaying(!playing));
    button(bar, "▶", "One event on", () => step(1));
    const scrub = element(bar, "input", {type: "range", min: 0, max: 1000,
        step: "any", value: 0}, {"aria-label": "Time in the recorded run"});
    const clock = element(bar, "output");
    const speeds = element(bar, "select", {}, {"aria-label": "Speed"});
    for (const one of SPEEDS)
        element(speeds, "option", {value: one, textContent: `speed ${one}`,
            selected: one === 1});
    const grid = element(root, "div", {className: "panels"});
    element(root, "p", {className: "keys", textContent:
        "Keys: space plays, ← → step from event to event, Home and End, "
        + "+ and − change the speed, 1-4 choose a scene. A ring is a client, a "
        + "dot its request, a square a thread."});

    scrub.addEventListener("input", () => {
        setPlaying(false);
        show(scrub.value / 1000 * scene.end);
    });
    speeds.addEventListener("change", () => { speed = Number(speeds.value); });

    const keys = {
        " ": () => setPlaying(!playing),
        ArrowLeft: () => step(-1),
        ArrowRight: () => step(1),
        Home: () => show(0),
        End: () => show(scene.end),
        "+": () => changeSpeed(1),
        "-": () => changeSpeed(-1),
    };

    root.addEventListener("keydown", (event) => {
        if (event.ctrlKey || event.altKey || event.metaKey
            || event.target.matches("select"))
            return;
        const other = data.scenes[Number(event.key) - 1];
        const action = other ? () => choose(other) : keys[event.key];
        if (!action || (event.key === " " && event.target.matches("button")))
            return;
        event.preventDefault();
        event.stopPropagation();
        action();
    });

    function changeSpeed(direction) {
        const at = SPEEDS.indexOf(speed) + direction;
        speed = SPEEDS[Math.max(0, Math.min(SPEEDS.length - 1, at))];
        speeds.value = speed;
    }

    // ---- Time

    function lastOf(record) {
        return Math.max(...record.requests.map((one) => one[ARRIVED] ?? 0),
            ...record.clients.map((one) => one[CLOSED] ?? 0));
    }

    // Every moment at which something changes, in any of the servers.
    function stopsOf(scene) {
        const all = scene.records.flatMap((record) => [
            ...record.clients.flat(),
            ...record.requests.flatMap((of) => of.slice(SENT, THREAD))]);
        return [0, ...new Set(all.filter((at) => at !== null))]
            .sort((a, b) => a - b);
    }

    function choose(one) {
        scene = one;
        scene.end ??= Math.max(...scene.records.map(lastOf)) * 1.02;
        scene.stops ??= stopsOf(scene);
        for (const [i, tab] of sceneButtons.entries())
            tab.setAttribute("aria-pressed", data.scenes[i] === scene);
        question.textContent = scene.question;
        grid.replaceChildren();
        panels = scene.records.map(panel);
        setPlaying(false);
        show(0);
    }

    function setPlaying(on) {
        playing = on;
        play.textContent = on ? "Pause" : "Play";
        if (!on)
            return;
        if (moment >= scene.end || untouched)
            show(0);
        untouched = false;
        last = undefined;
        requestAnimationFrame(frame);
    }

    function usPerSecond() {
        return scene.end / SCENE_S * speed;
    }

    function frame(now_ms) {
        if (!playing)
            return;
        const pause_s = still.matches ? STILL_STEP_S : 0;
        const elapsed_s = last === undefined ? pause_s : (now_ms - last) / 1000;
        if (elapsed_s >= pause_s) {
            last = now_ms;
            show(moment + (pause_s || elapsed_s) * usPerSecond());
        }
        if (moment >= scene.end)
            setPlaying(false);
        requestAnimationFrame(frame);
    }

    // Goes to the next or previous moment at which something changes.
    function step(direction) {
        setPlaying(false);
        show(direction > 0
            ? scene.stops.find((at) => at > moment) ?? scene.end
            : scene.stops.filter((at) => at < moment).pop() ?? 0);
    }

    function ms(us) {
        return `${(us / 1000).toFixed(scene.end < 100000 ? 1 : 0)} ms`;
    }

    function show(us) {
        moment = Math.max(0, Math.min(scene.end, us));
        scrub.value = 1000 * moment / scene.end;
        clock.textContent = `${ms(moment)} of ${ms(scene.end)}`;
        back.disabled = moment === 0;
        for (const one of panels)
            one.draw();
    }

    // ---- A server

    // Neighbours differ in lightness, too: some eyes see no red and green.
    function colour(client, count) {
        const dark = root.ownerDocument.documentElement.classList.contains("dark");
        const hue = 360 * (client * (count > 12 ? 7 : 1) % count) / count;
        return `hsl(${hue} 75% ${(dark ? [60, 80, 70] : [32, 56, 42])[client % 3]}%)`;
    }

    // Whether `at` is a time that has come.
    function passed(at) {
        return at !== null && at <= moment;
    }

    // The places of a request, the last one first, and since when it is there.
    // The client may have the reply before its sender has noted that.
    const PLACES = [["arrived", ARRIVED], ["reply", REPLIED], ["backend", END],
        ["core", BEGIN], ["held", RECEIVED], ["queue", SENT]];

    // Returns the requests that have been sent, each with its place now.
    function placed(requests) {
        return requests.filter((one) => passed(one[SENT])).map((request) => {
            const [place, column] = PLACES.find(([, at]) => passed(request[at]));
            return {request, place, since: request[column]};
        });
    }

    // Places in a rectangle for `count` things of at most `size`.
    function cells(x, y, width, height, count, size) {
        let cell = size;
        while (Math.floor(width / cell) * Math.floor(height / cell) < count
            && cell > 4)
            cell -= 0.5;
        const columns = Math.max(1, Math.floor(width / cell));
        return (i) => ({x: x + (i % columns + 0.5) * cell,
            y: y + (Math.floor(i / columns) + 0.5) * cell, r: cell * 0.36});
    }

    function panel(record) {
        const figure = element(grid, "figure");
        const caption = element(figure, "figcaption");
        const name = record.server.replace(/ --delay \d+/, "");
        element(caption, "b", {textContent: name});
        const said = element(caption, "div");
        const canvas = element(figure, "canvas", {}, {role: "img"});
        const context = canvas.getContext("2d");
        const count = record.clients.length;
        const cores = [...Array(data.cores).keys()];
        let width, height, clientCell, threadCell, ink;

        function size() {
            width = canvas.clientWidth || 240;
            height = Math.round(Math.max(250, Math.min(430, width * 1.05)));
            const ratio = window.devicePixelRatio || 1;
            canvas.style.height = `${height}px`;
            canvas.width = width * ratio;
            canvas.height = height * ratio;
            context.setTransform(ratio, 0, 0, ratio, 0, 0);
            clientCell = cells(4, 24, width * 0.26, height - 28, count, 26);
            threadCell = cells(width * 0.62, height * 0.72, width * 0.36,
                height * 0.27, record.threads.length, 20);
            ink = getComputedStyle(root).color;
        }

        function text(what, x, y, px = LABEL, align = "left") {
            context.font = `${px}px ${FONT}`;
            context.textAlign = align;
            context.fillStyle = ink;
            context.fillText(what, x, y);
        }

        function box(x, y, w, h) {
            context.strokeStyle = ink;
            context.globalAlpha = 0.35;
            context.strokeRect(x, y, w, h);
            context.globalAlpha = 1;
        }

        function dot(at, fill, radius = at.r) {
            context.beginPath();
            context.arc(at.x, at.y, radius, 0, 2 * Math.PI);
            context.fillStyle = fill;
            context.fill();
        }

        function drawClients() {
            text("clients", 4, 16);
            for (const [i, client] of record.clients.entries()) {
                const at = clientCell(i);
                const gone = passed(client[CLOSED]);
                context.beginPath();
                context.arc(at.x, at.y, at.r, 0, 2 * Math.PI);
                context.strokeStyle = colour(i, count);
                context.lineWidth = 2;
                context.globalAlpha = passed(client[CONNECTED]) && !gone ? 1 : 0.2;
                context.stroke();
                context.globalAlpha = 1;
                context.lineWidth = 1;
            }
        }

        const lane = () => ({x: width * 0.33, w: width * 0.24});

        function drawKernel(waiting) {
            const {x, w} = lane();
            const middle = height * 0.54, below = middle + 24;
            text("kernel", x, 16);
            box(x, 24, w, middle - 32);
            box(x, below, w, height - below - 4);
            text("accept", x, middle + 5, SMALL);
            text("queue", x, middle + 18, SMALL);
            const unaccepted = record.clients.map((one, i) => [one, i]).filter(
                ([one]) => passed(one[CONNECTED]) && !passed(one[ACCEPTED])
                    && !passed(one[CLOSED]));
            const queueCell = cells(x + 2, below + 2, w - 4,
                height - below - 8, unaccepted.length, 18);
            for (const [place, [, i]] of unaccepted.entries())
                dot(queueCell(place), colour(i, count));
            const inbox = cells(x + 2, 28, w - 4, middle - 38, waiting.length, 22);
            return new Map(waiting.map((one, i) => [one, inbox(i)]));
        }

        function coreBox(core) {
            const x = width * 0.62, h = height * 0.3 / cores.length;
            return {x, y: 24 + core * (h + 6), w: width * 0.36, h};
        }

        function drawCores() {
            text("server", width * 0.62, 16);
            for (const core of cores) {
                const {x, y, w, h} = coreBox(core);
                box(x, y, w, h);
                text(`core ${core}`, x + w - 4, y + h - 5, SMALL, "right");
            }
        }

        // How a thread is drawn: full while it computes, half while it waits
        // for the backend, else empty.
        function drawThreads(states) {
            const x = width * 0.62;
            text(record.threads.length > 1 ? "threads" : "thread", x,
                height * 0.72 - 5, SMALL);
            for (const [i, [first, end, client]] of record.threads.entries()) {
                if (!passed(first) || passed(end) && client >= 0)
                    continue;
                const {x: cx, y: cy, r} = threadCell(i);
                const fill = client >= 0 ? colour(client, count) : ink;
                context.strokeStyle = context.fillStyle = fill;
                context.strokeRect(cx - r, cy - r, 2 * r, 2 * r);
                const share = {core: 1, backend: 0.5}[states.get(i)] ?? 0;
                context.fillRect(cx - r, cy + r - 2 * r * share, 2 * r,
                    2 * r * share);
            }
        }

        // Where each request belongs now. Several may be computed on a core:
        // they take turns.
        function places(at, inbox) {
            const backendBox = cells(width * 0.62, height * 0.52, width * 0.36,
                height * 0.13, at.filter((one) =>
                    one.place === "backend" || one.place === "held").length, 18);
            let waiting = 0;
            const onCore = new Map();  // how many are drawn there so far
            return at.map(({request, place}) => {
                if (place === "queue")
                    return inbox.get(request);
                if (place === "reply" || place === "arrived")
                    return clientCell(request[CLIENT]);
                if (place !== "core")
                    return backendBox(waiting++);
                const core = coreBox(request[CORE]);
                const others = onCore.get(request[CORE]) ?? 0;
                onCore.set(request[CORE], others + 1);
                return {x: core.x + 14 + others * 14 % (core.w - 24),
                    y: core.y + core.h / 2, r: Math.min(10, core.h / 3)};
            });
        }

        // Where a dot begins its way to a place.
        function origin(request, place) {
            const core = coreBox(Math.max(0, request[CORE]));
            return place === "queue" ? clientCell(request[CLIENT])
                : place === "core" || place === "held"
                    ? {x: lane().x + lane().w, y: 60, r: 8}
                    : {x: core.x + core.w / 2, y: core.y + core.h / 2, r: 10};
        }

        function drawRequests(at, targets) {
            const flight = still.matches ? 0 : FLIGHT_S * usPerSecond();
            for (const [i, {request, place, since}] of at.entries()) {
                const target = targets[i];
                const share = flight > 0
                    ? Math.min(1, (moment - since) / flight) : 1;
                if (place === "arrived" && share === 1)
                    continue;
                const from = origin(request, place);
                const now = {x: from.x + (target.x - from.x) * share,
                    y: from.y + (target.y - from.y) * share, r: target.r};
                dot(now, colour(request[CLIENT], count));
                const alone = at.filter((one) => one.place === "core"
                    && one.request[CORE] === request[CORE]).length === 1;
                if (place === "core" && share === 1 && alone)
                    text(`fib(${request[N]})`, now.x + now.r + 4, now.y, 14);
            }
        }

        function summary(at) {
            const waiting = at.filter((one) => one.place !== "arrived");
            const longest = Math.max(0, ...waiting.map((one) =>
                moment - one.request[SENT]));
            return `${at.length - waiting.length} of ${record.requests.length} `
                + "answered" + (waiting.length
                    ? `; ${waiting.length} waiting for up to ${ms(longest)}` : "");
        }

        function draw() {
            size();
            context.clearRect(0, 0, width, height);
            const at = placed(record.requests);
            const states = new Map();
            for (const {request, place} of at)
                if (place === "core" || place === "backend"
                    && states.get(request[THREAD]) !== "core")
                    states.set(request[THREAD], place);
            drawClients();
            const inbox = drawKernel(at.filter((one) => one.place === "queue")
                .map((one) => one.request));
            drawCores();
            if (record.server.includes("--delay"))
                text("backend", width * 0.62, height * 0.52 - 5, SMALL);
            drawThreads(states);
            drawRequests(at, places(at, inbox));
            said.textContent = summary(at);
            canvas.setAttribute("aria-label",
                `${name} at ${ms(moment)}: ${said.textContent}`);
        }

        return {draw};
    }

    addEventListener("resize", () => show(moment));
    new MutationObserver(() => show(moment)).observe(
        document.documentElement, {attributeFilter: ["class"]});
    choose(data.scenes[0]);
    show(OPENING * scene.end);
    // A link may lead into a scene: #replay=large@0.4
    const link = location.hash.match(/^#replay=(\w+)(?:@([\d.]+))?$/);
    const linked = link && data.scenes.find((one) => one.name === link[1]);
    if (linked) {
        choose(linked);
        show(Number(link[2] ?? 0) * scene.end);
    }
}
