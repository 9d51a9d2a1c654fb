/** Values that a view reads from a registry, and reads again while the view is shown. */
import type { RegistryError } from "@effect-oci/core/RegistryError"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Stream from "effect/Stream"
import { useEffect, useState } from "preact/hooks"
import { run } from "./connection.js"
import { kindOf } from "./explain.js"
import type { Failed } from "./explain.js"

/** A value that is read: nothing yet, a part of it, all of it, or the value that was there before an error. */
export interface Live<A> {
  readonly value: A | undefined
  readonly error: Failed | undefined
  readonly isDone: boolean
  /** Reads the value again. */
  readonly reload: () => void
}

interface State<A> {
  readonly key: string
  readonly value: A | undefined
  readonly error: Failed | undefined
  readonly isDone: boolean
}

/** Reads a value. `show` shows a part of it before the rest is there. */
export type Read<A> = (show: (part: A) => void) => Effect.Effect<A, Failed>

/** Returns the error of an effect that has failed. */
export const errorOf = (cause: Cause.Cause<Failed>): Failed => {
  const error = Cause.squash(cause)
  return error instanceof Error ? error : new Error(String(error))
}

/** The errors that do not go away by themselves: the user has to do something. */
const lasting = new Set<string | undefined>(["OciUnauthorized", "OciDenied", "OciUnsupported", "OciRealmRefused"])

/** The longest time between two reads of a value, and the shortest after an error, in milliseconds. */
const longest = 10 * 60_000
const afterError = 8000

/** Returns when a value is read again, in milliseconds: more seldom if reading takes long. */
const pauseOf = (every: number, took: number, error: Failed | undefined): number =>
  Math.min(Math.max(every, 20 * took, error === undefined ? 0 : afterError), longest)

/** Reads a value again and again, but not while the page is hidden. Returns a function that stops it. */
const keepReading = <A>(key: string, read: Read<A>, every: number | undefined, show: (state: State<A>) => void) => {
  let stop = () => {}
  let timer: ReturnType<typeof setTimeout> | undefined
  let isReading = false
  let isFirst = true
  let value: A | undefined
  const begin = () => {
    clearTimeout(timer)
    if (isReading || (document.hidden && !isFirst)) return
    isReading = true
    const start = performance.now()
    const showPart = (part: A) => {
      if (isFirst) show({ key, value: part, error: undefined, isDone: false })
    }
    stop = run(read(showPart), (exit) => {
      isReading = false
      isFirst = false
      if (Exit.isSuccess(exit)) value = exit.value
      const error = Exit.isSuccess(exit) ? undefined : errorOf(exit.cause)
      show({ key, value, error, isDone: true })
      if (every === undefined || (error !== undefined && lasting.has(kindOf(error)))) return
      timer = setTimeout(begin, pauseOf(every, performance.now() - start, error))
    })
  }
  begin()
  if (every !== undefined) {
    document.addEventListener("visibilitychange", begin)
    addEventListener("online", begin)
  }
  return () => {
    stop()
    clearTimeout(timer)
    document.removeEventListener("visibilitychange", begin)
    removeEventListener("online", begin)
  }
}

/**
 * Reads a value while the view is shown, again whenever `key` changes, and with `every` again after so many
 * milliseconds.
 */
export const useLive = <A>(key: string, read: Read<A>, every?: number): Live<A> => {
  const empty: State<A> = { key, value: undefined, error: undefined, isDone: false }
  const [state, setState] = useState(empty)
  const [generation, setGeneration] = useState(0)
  useEffect(() => {
    setState((old) => old.key === key ? { ...old, isDone: false } : empty)
    return keepReading(key, read, every, setState)
  }, [key, generation])
  // A value of another key is never shown, not even once.
  return { ...state.key === key ? state : empty, reload: () => setGeneration((old) => old + 1) }
}

/** Collects a list up to a limit. Shows the first items while the others are read. */
export const collect = <A>(
  list: Stream.Stream<A, RegistryError>,
  limit: number
): Read<ReadonlyArray<A>> =>
(show) =>
  Effect.suspend(() => {
    const items: Array<A> = []
    let shown = 0
    return Effect.as(
      Stream.runForEachChunk(Stream.take(list, limit), (chunk) =>
        Effect.sync(() => {
          for (const item of chunk) items.push(item)
          const now = performance.now()
          if (now - shown < 150) return
          shown = now
          show(items.slice())
        })),
      items
    )
  })
