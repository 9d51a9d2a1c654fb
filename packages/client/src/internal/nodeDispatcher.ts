import { Dispatcher } from "@effect/platform-node/Undici"
import type { buildConnector } from "@effect/platform-node/Undici"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { LookupFunction } from "node:net"
import type { Settings } from "./undiciOptions.js"

/** The settings of connections, in which a `lookup` counts. */
export const settings = (options?: {
  readonly lookup?: LookupFunction | undefined
  readonly connect?: buildConnector.BuildOptions | undefined
}): buildConnector.BuildOptions =>
  options?.lookup === undefined ? { ...options?.connect } : { ...options.connect, lookup: options.lookup }

/** Leaves the time of an answer to `Idle`, where the platform's client ends a request after an hour. */
export const untimed = <O extends Dispatcher.DispatchOptions>(options: O): O => ({ ...options, headersTimeout: 0 })

/** Sends requests to hosts that may be at a private address on a way of their own, with connections of its own. */
export class Guarded extends Dispatcher {
  constructor(private readonly open: Dispatcher, private readonly guarded: Dispatcher) {
    super()
  }

  override dispatch(
    options: Dispatcher.DispatchOptions & Settings,
    handler: Dispatcher.DispatchHandler
  ): boolean {
    return (options.mayBePrivate === true ? this.open : this.guarded).dispatch(untimed(options), handler)
  }

  override async destroy(): Promise<void> {
    await Promise.all([this.open.destroy(), this.guarded.destroy()])
  }
}

/** Acquires a dispatcher, whose requests are cancelled when the scope closes. */
export const scoped = (make: () => Dispatcher): Effect.Effect<Dispatcher, never, Scope.Scope> =>
  Effect.acquireRelease(Effect.sync(make), (dispatcher) => Effect.promise(() => dispatcher.destroy()))
