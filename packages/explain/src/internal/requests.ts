import type { Request } from "../Explanation.js"

/** A request that is counted. */
export type Line = Omit<Request, "count">

/** Counts requests that are the same, in the order in which the first of them was made. */
export class Requests {
  readonly #lines = new Map<string, Line>()
  readonly #counts = new Map<string, number>()

  /** Adds a request. Returns a function to call when it is counted. */
  add(line: Line): () => void {
    const key = [line.kind, line.registry, line.method, line.path, line.scope].join(" ")
    const known = this.#lines.get(key)
    this.#lines.set(key, { ...line, sent: line.sent || known?.sent === true })
    return () => void this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1)
  }

  /** Returns all requests. A request that was only refused for lack of a token counts once. */
  get all(): ReadonlyArray<Request> {
    return Array.from(this.#lines, ([key, line]) => ({ ...line, count: this.#counts.get(key) ?? 1 }))
  }
}
