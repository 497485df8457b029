/* Times, lengths, sizes as texts. */

const DAY = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric" });
const SHORT_DAY = new Intl.DateTimeFormat(undefined, { weekday: "short", day: "numeric", month: "short" });
const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const SECONDS = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23",
});

/** An instant (ISO 8601, or seconds since 1970) as a Date; null for nothing. */
export function instant(value) {
  if (value === null || value === undefined || value === "") return null;
  const date = new Date(typeof value === "number" ? value * 1000 : value);
  return Number.isNaN(date.getTime()) ? null : date;
}

/** "14:05" of today, "Tue 3 Nov, 14:05", or with its year. */
export function when(value) {
  const date = instant(value);
  if (!date) return "";
  const now = new Date();
  if (date.toDateString() === now.toDateString()) return CLOCK.format(date);
  const near = Math.abs(now - date) < 300 * 86400e3;
  return `${(near ? SHORT_DAY : DAY).format(date)}, ${CLOCK.format(date)}`;
}

/** The instant in full. */
export function exactly(value) {
  const date = instant(value);
  return date ? `${DAY.format(date)}, ${SECONDS.format(date)}` : "";
}

/** "0:07", "12:40", "1:02:09": a length of time. */
export function length(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (number) => String(number).padStart(2, "0");
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

/** "0.35 s", "12.4 s", "3:20": how long something took. */
export function took(seconds) {
  if (seconds === null || seconds === undefined) return "";
  if (seconds < 10) return `${seconds.toFixed(2)} s`;
  return seconds < 60 ? `${seconds.toFixed(1)} s` : length(seconds);
}

/** A length in words, for who hears it. */
export function spoken(seconds) {
  const whole = Math.round(seconds);
  const [minutes, rest] = [Math.floor(whole / 60), whole % 60];
  return minutes ? `${minutes} min ${rest} s` : `${rest} s`;
}

/** "1.4 MB". */
export function size(bytes) {
  if (!bytes) return "";
  const units = ["B", "kB", "MB", "GB", "TB"];
  let [value, unit] = [bytes, 0];
  while (value >= 1000 && unit < units.length - 1) { value /= 1000; unit += 1; }
  return `${unit && value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

/** What a state looks like. */
export function tone(state) {
  if (["READY", "DELIVERED", "up"].includes(state)) return "good";
  if (["FAILED", "DEAD"].includes(state)) return "bad";
  if (["RECORDING", "SENDING", "FINISHING", "QUEUED"].includes(state)) return "busy";
  return ["MASKED", "PAUSED", "WAITING", "BLOCKED"].includes(state) ? "warn" : "plain";
}

/** A state as a word. */
export function word(state) {
  return String(state ?? "").toLowerCase().replaceAll("_", " ");
}
