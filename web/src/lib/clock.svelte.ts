// The time, for "3 min ago": one clock for all rows.
const TICK = 10_000; // ms

class Clock {
  /** Seconds since 1970. */
  now = $state(Date.now() / 1000);

  constructor() {
    setInterval(() => (this.now = Date.now() / 1000), TICK);
  }
}

export const clock = new Clock();
