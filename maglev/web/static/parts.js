// Small parts of the document. Text is always set as text, never as markup.

/** Return an element with a class, and with children that are elements or text. */
export function make(tag, cls, ...children) {
  const element = document.createElement(tag);
  if (cls) element.className = cls;
  element.append(...children);
  return element;
}

/** Return a copy of the element in a template. */
export function copy(id) {
  return document.getElementById(id).content.firstElementChild.cloneNode(true);
}

/** Set the text of an element, if it is another one. */
export function say(element, text) {
  if (element.firstChild?.data !== text) element.textContent = text;
}

/** Show a state in an element made for it: by shape, word and colour. */
export function showState(element, state) {
  if (element.dataset.state === state) return;
  element.dataset.state = state;
  element.className = `state is-${state}`;
  element.querySelector("use").setAttribute("href", `#s-${state}`);
  element.lastElementChild.textContent = state;
}

/** Show marks in an element: [text, kind, title] each. */
export function showMarks(element, marks) {
  const key = JSON.stringify(marks);
  if (element.dataset.marks === key) return;
  element.dataset.marks = key;
  element.replaceChildren(...marks.map(([text, kind, title]) => {
    const mark = make("span", `mark ${kind}`, text);
    if (title) mark.title = title;
    return mark;
  }));
}

/** Draw a series of rates, right-aligned: the newest is at the right end. */
export function spark(path, series, samples = 60) {
  if (!series?.length) {
    path.removeAttribute("d");
    return;
  }
  const top = Math.max(...series, 1);
  const from = samples - series.length;
  const points = series.map((value, index) => `${from + index},${(15 - (14 * value) / top).toFixed(1)}`);
  path.setAttribute("d", `M${points.join("L")}`);
}
