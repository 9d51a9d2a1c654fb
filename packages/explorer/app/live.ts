/** Values that a view reads from a registry, and reads again while the view is shown. */
import type { RegistryError } from "@effect-oci/core/RegistryError"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Stream from "effect/Stream"
import { useEffect, useState } from "preact/hooks"
import { run } from "./connection.js"
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

/**
 * Reads a value while the view is shown, again whenever `key` changes. With `every`, reads it again after so many
 * milliseconds, but not while the page is hidden, and more seldom if reading takes long.
 */
export const useLive = <A>(key: string, read: Read<A>, every?: number): Live<A> => {
  const [state, setState] = useState<State<A>>({ key, value: undefined, error: undefined, isDone: false })
  const [generation, setGeneration] = useState(0)

  useEffect(() => {
    let stop = () => {}
    let timer: ReturnType<typeof setTimeout> | undefined
    let isFirst = true
    let value: A | undefined
    const begin = () => {
      timer = undefined
      if (document.hidden && !isFirst) return
      const start = performance.now()
      const show = (part: A) => {
        if (isFirst) setState({ key, value: part, error: undefined, isDone: false })
      }
      stop = run(read(show), (exit) => {
        isFirst = false
        if (Exit.isSuccess(exit)) value = exit.value
        const error = Exit.isSuccess(exit) ? undefined : errorOf(exit.cause)
        setState({ key, value, error, isDone: true })
        if (every !== undefined) {
          timer = setTimeout(begin, Math.min(Math.max(every, 20 * (performance.now() - start)), 10 * 60_000))
        }
      })
    }
    const onVisible = () => {
      if (!document.hidden && timer === undefined && !isFirst && every !== undefined) begin()
    }
    setState((old) =>
      old.key === key ? { ...old, isDone: false } : { key, value: undefined, error: undefined, isDone: false }
    )
    begin()
    document.addEventListener("visibilitychange", onVisible)
    return () => {
      stop()
      clearTimeout(timer)
      document.removeEventListener("visibilitychange", onVisible)
    }
  }, [key, generation])

  // A value of another key is never shown, not even once.
  const current = state.key === key ? state : { key, value: undefined, error: undefined, isDone: false }
  return { ...current, reload: () => setGeneration((old) => old + 1) }
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
