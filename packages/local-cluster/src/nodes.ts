/** The nodes: processes of the program `main`, which can be stopped, killed and started again. */
import * as NodeChild from "@effect-oci/testing/NodeChild"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import { CannotStart } from "./failures.js"

export interface Node {
  readonly name: string
  readonly authority: string
  /** The id of the process, if it runs. */
  readonly pid: () => number | undefined
  /** Starts the node, with other settings if they are given, and waits until it is ready. */
  readonly start: (env?: { readonly [name: string]: string }) => Effect.Effect<void, CannotStart>
  /** Asks the node to stop, and waits for it, as a rolling restart does. Returns whether it ended by itself. */
  readonly stop: Effect.Effect<boolean>
  /** Kills the node, as a failure of its machine does. */
  readonly kill: Effect.Effect<void>
  readonly output: () => string
}

export interface NodeOptions {
  readonly name: string
  readonly port: number
  /** The file of the program. */
  readonly program: string
  readonly env: { readonly [name: string]: string }
}

const readiness = (authority: string) =>
  Effect.tryPromise(async (signal) => {
    const response = await fetch(`http://${authority}/readyz`, { signal, headers: { connection: "close" } })
    const text = await response.text()
    if (!response.ok) throw new Error(text)
  })

/** Creates a node. The end of the scope stops it. */
export const make = ({ env, name, port, program }: NodeOptions): Effect.Effect<Node, never, Scope.Scope> =>
  Effect.gen(function*() {
    const authority = `127.0.0.1:${port}`
    const outer = yield* Effect.scope
    let running: { readonly child: NodeChild.Child; readonly scope: Scope.CloseableScope } | undefined

    let settings = env

    const launch = Effect.gen(function*() {
      const scope = yield* Scope.fork(outer, ExecutionStrategy.sequential)
      const child = yield* Scope.extend(
        NodeChild.start(process.execPath, [program], {
          env: { ...settings, REGISTRY_SERVER_PORT: String(port) },
          patience: 60_000
        }),
        scope
      )
      running = { child, scope }
      return child
    })

    const cannotStart = (reason: string) =>
      new CannotStart({ message: `${name} did not start: ${reason}\n${running?.child.output().trim() ?? ""}` })

    const start = Effect.fnUntraced(function*(changed: NodeOptions["env"] = {}) {
      settings = { ...settings, ...changed }
      const child = yield* launch
      yield* readiness(authority).pipe(
        Effect.retry(Schedule.spaced(100)),
        Effect.orDie,
        Effect.raceFirst(Effect.zipRight(child.ended, Effect.suspend(() => cannotStart("it ended")))),
        Effect.timeoutFail({ duration: "60 seconds", onTimeout: () => cannotStart("it is not ready after 60 seconds") })
      )
    })

    const end = (how: (child: NodeChild.Child) => Effect.Effect<boolean>) =>
      Effect.suspend(() => {
        const ending = running
        if (ending === undefined) return Effect.succeed(true)
        return Effect.tap(how(ending.child), () => Scope.close(ending.scope, Exit.void))
      })

    return {
      name,
      authority,
      pid: () => running?.child.pid,
      start,
      stop: end(({ stop }) => stop),
      kill: Effect.asVoid(end((child) => {
        child.signal("SIGKILL")
        return Effect.as(child.ended, true)
      })),
      output: () => running?.child.output() ?? ""
    }
  })
