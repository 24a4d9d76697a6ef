// The keys of the course's pages. The pages can be read without this script.

"use strict";

// Goes to the next place (1) or to the previous one (-1): a lesson, a change, a
// heading or a folded answer.
function step(direction) {
    const places = [...document.querySelectorAll(
        ".lesson, .change, .text h2, .text details")];
    const top = (place) => place.getBoundingClientRect().top;
    const at = places.indexOf(document.activeElement);
    let place = places[at + direction];
    if (at < 0)
        place = direction > 0
            ? places.find((one) => top(one) > 80)
            : places.filter((one) => top(one) <= 0).pop();
    if (!place)
        return;
    place.tabIndex = -1;
    place.focus({preventScroll: true});
    place.scrollIntoView({block: place.matches(".lesson, .change")
        ? "center" : "start"});
}

// Opens all folded parts, or closes all if all are open.
function unfold() {
    const all = [...document.querySelectorAll("details")];
    const open = all.some((one) => !one.open);
    for (const one of all)
        one.open = open;
}

function follow(selector) {
    document.querySelector(selector)?.click();
}

const keys = {
    j: () => step(1),
    k: () => step(-1),
    n: () => follow("a[rel=next]"),
    p: () => follow("a[rel=prev]"),
    i: () => follow("#index-page"),
    t: () => follow("#tutorial-page"),
    o: unfold,
    d: () => document.documentElement.classList.toggle("dark"),
};

addEventListener("keydown", (event) => {
    if (!event.ctrlKey && !event.altKey && !event.metaKey)
        keys[event.key]?.();
});
