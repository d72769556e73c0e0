// Seconds of each stage of a step, by name.

export interface Stopwatch {
  time<T>(name: string, work: () => Promise<T>): Promise<T>
  /** so far, with the whole as "step" */
  timings(): Record<string, number>
}

export function stopwatch(now: () => number = () => performance.now()): Stopwatch {
  const started = now()
  const seconds: Record<string, number> = {}
  return {
    async time(name, work) {
      const from = now()
      const result = await work()
      seconds[name] = (seconds[name] ?? 0) + (now() - from) / 1000
      return result
    },
    timings: () => ({ ...seconds, step: (now() - started) / 1000 }),
  }
}
