// Numbers and times as words.

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** Return a duration, given in seconds, in two units at most: 4s, 3m12s, 2h05m, 3d4h. */
export function duration(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60) return `${s}s`;
  if (s < 3600) return `${Math.floor(s / 60)}m${pad(s % 60)}s`;
  if (s < 86400) return `${Math.floor(s / 3600)}h${pad(Math.floor(s / 60) % 60)}m`;
  return `${Math.floor(s / 86400)}d${Math.floor(s / 3600) % 24}h`;
}

/** Return a rate: 0, 870, 1.2k, 35k, 2.1M. */
export function rate(value) {
  for (const [unit, size] of [["G", 1e9], ["M", 1e6], ["k", 1e3]]) {
    if (value >= size) return (value / size).toFixed(value < 10 * size ? 1 : 0) + unit;
  }
  return String(value);
}

/** Return the time of day of an ISO time, by the clock of the browser; with the date if it is not today. */
export function clock(iso) {
  const at = new Date(iso);
  if (Number.isNaN(at.getTime())) return "";
  const time = `${pad(at.getHours())}:${pad(at.getMinutes())}:${pad(at.getSeconds())}`;
  return at.toDateString() === new Date().toDateString() ? time : `${at.getDate()} ${MONTHS[at.getMonth()]} ${time.slice(0, 5)}`;
}

/** Return a text with its ISO times by the clock of the browser. */
export function local(text) {
  return text.replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z/g, clock);
}

/** Return the count of something, with its plural. */
export function count(number, word) {
  return `${number} ${word}${number === 1 ? "" : "s"}`;
}

function pad(number) {
  return String(number).padStart(2, "0");
}
