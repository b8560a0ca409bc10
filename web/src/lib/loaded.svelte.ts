// An answer of the server that is shown, kept while it is read again.
const APART = 1000; // ms between two readings of the same, at least

export class Loaded<T> {
  value = $state.raw<T | null>(null);
  error = $state<string | null>(null);
  /** A new question is on its way; what is shown answers the one before. */
  busy = $state(false);

  private ask: ((signal: AbortSignal) => Promise<T>) | null = null;
  private abort = new AbortController();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private notBefore = 0;

  constructor(private readonly apart = APART) {}

  /** Ask something else; the answer before stays until the new one is there. */
  load(ask: (signal: AbortSignal) => Promise<T>): void {
    this.stop();
    this.ask = ask;
    this.busy = true;
    void this.read();
  }

  /** Nothing to ask. */
  clear(): void {
    this.stop();
    this.ask = null;
    this.busy = false;
    this.value = null;
    this.error = null;
  }

  /** The same again, soon: about once a second at most, less often when the server is slow. */
  again(): void {
    if (this.timer !== undefined || this.ask === null) return;
    this.timer = setTimeout(() => {
      this.timer = undefined;
      if (!this.busy) void this.read();
    }, Math.max(0, this.notBefore - Date.now()));
  }

  stop(): void {
    this.abort.abort();
    this.abort = new AbortController();
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  private async read(): Promise<void> {
    const mine = this.abort;
    const begun = Date.now();
    try {
      const value = await this.ask?.(mine.signal);
      if (mine.signal.aborted || value === undefined) return;
      this.value = value;
      this.error = null;
    } catch (error) {
      if (mine.signal.aborted) return;
      this.error = error instanceof Error ? error.message : String(error);
    }
    this.busy = false;
    this.notBefore = Date.now() + Math.max(this.apart, 4 * (Date.now() - begun));
  }
}
