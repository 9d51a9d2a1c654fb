import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { v7 } from "uuid"
import { BlobKey } from "../BlobStore.js"

let last = { msecs: -1, seq: 0 }

/** Creates a key, a UUID of version 7. The keys of a process ascend, also within a millisecond. */
export const make: Effect.Effect<BlobKey> = Effect.map(Clock.currentTimeMillis, (now) => {
  const msecs = Math.max(0, Math.floor(now))
  last = { msecs, seq: last.msecs === msecs ? last.seq + 1 : 0 }
  return BlobKey(v7(last))
})

/** Returns the time at which a key was created, in milliseconds since 1970, or `undefined` if it is not a UUID 7. */
export const timeOf = (key: BlobKey): number | undefined => {
  const [, high, low] = /^([\da-f]{8})-([\da-f]{4})-7[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/.exec(key) ?? []
  return high === undefined || low === undefined ? undefined : Number.parseInt(high + low, 16)
}

/** Returns a text that comes before all keys of a time, and after all earlier keys. */
export const before = (time: number): BlobKey => {
  const hex = Math.max(0, Math.floor(time)).toString(16).padStart(12, "0")
  return BlobKey(`${hex.slice(0, 8)}-${hex.slice(8)}`)
}
