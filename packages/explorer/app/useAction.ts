/** Something that the user starts, such as a push. */
import type * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { useEffect, useRef, useState } from "preact/hooks"
import { run } from "./connection.js"
import type { Failed } from "./explain.js"
import { errorOf } from "./live.js"

export interface Action<A> {
  readonly isRunning: boolean
  readonly error: Failed | undefined
  readonly result: A | undefined
  /** Runs an effect. An effect that runs already is interrupted. */
  readonly start: (effect: Effect.Effect<A, Failed>) => void
  /** Interrupts the effect. */
  readonly stop: () => void
}

export const useAction = <A>(): Action<A> => {
  const [state, setState] = useState<Omit<Action<A>, "start" | "stop">>({
    isRunning: false,
    error: undefined,
    result: undefined
  })
  const interrupt = useRef(() => {})
  useEffect(() => () => interrupt.current(), [])
  return {
    ...state,
    start: (effect) => {
      interrupt.current()
      setState({ isRunning: true, error: undefined, result: undefined })
      interrupt.current = run(effect, (exit) =>
        setState({
          isRunning: false,
          error: Exit.isSuccess(exit) ? undefined : errorOf(exit.cause),
          result: Exit.isSuccess(exit) ? exit.value : undefined
        }))
    },
    stop: () => {
      interrupt.current()
      setState({ isRunning: false, error: undefined, result: undefined })
    }
  }
}
