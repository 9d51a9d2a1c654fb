import * as ordered from "./ordered.js"

/** Ids with a time each, in milliseconds since 1970, in the order of their times. */
export class DueQueue<Id extends string> {
  private readonly times = new Map<Id, number>()
  private order = ordered.empty<string, Id>()

  timeOf(id: Id): number | undefined {
    return this.times.get(id)
  }

  /** Sets the time of an id. Replaces an earlier time. */
  set(id: Id, time: number): void {
    this.delete(id)
    this.times.set(id, time)
    this.order = ordered.set(this.order, place(time, id), id)
  }

  /** Sets the time of an id, unless it has a later time. */
  postpone(id: Id, time: number): void {
    if (time > (this.times.get(id) ?? -1)) this.set(id, time)
  }

  delete(id: Id): void {
    const time = this.times.get(id)
    if (time === undefined) return
    this.times.delete(id)
    this.order = ordered.remove(this.order, place(time, id))
  }

  /** Returns at most `n` ids whose time is not after `time`, the earliest first. */
  due(time: number, n: number): ReadonlyArray<Id> {
    return ordered.page(this.order, undefined, n).filter((id) => this.times.get(id)! <= time)
  }
}

/** "Infinity" comes after all digits. */
const place = (time: number, id: string) => `${String(Math.max(0, Math.ceil(time))).padStart(16, "0")} ${id}`
