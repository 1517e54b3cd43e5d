// Spans of time, as a person reads them.

/** Seconds as a person reads them: 0:07, 12:30, 3 h 05. */
export function duration(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const pad = (number) => String(number).padStart(2, "0");
  if (whole >= 3600) return `${Math.floor(whole / 3600)} h ${pad(Math.floor((whole % 3600) / 60))}`;
  return `${Math.floor(whole / 60)}:${pad(whole % 60)}`;
}
