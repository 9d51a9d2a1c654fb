import { Dispatcher } from "@effect/platform-node/Undici"
import type { buildConnector } from "@effect/platform-node/Undici"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { LookupFunction } from "node:net"
import type { Settings } from "./undiciOptions.js"

/** Returns the settings of connections. `lookup` takes precedence over the lookup of `connect`. */
export const settings = (options?: {
  readonly lookup?: LookupFunction | undefined
  readonly connect?: buildConnector.BuildOptions | undefined
}): buildConnector.BuildOptions =>
  options?.lookup === undefined ? { ...options?.connect } : { ...options.connect, lookup: options.lookup }

/**
 * Turns off undici's time limit for answers: `Idle` limits that time. The platform's client would end a request after
 * an hour.
 */
export const untimed = <O extends Dispatcher.DispatchOptions>(options: O): O => ({ ...options, headersTimeout: 0 })

/**
 * Sends requests to hosts that may be at a private address through a separate dispatcher, with separate connections.
 */
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

/** Acquires a dispatcher. Its requests are cancelled when the scope closes. */
export const scoped = (make: () => Dispatcher): Effect.Effect<Dispatcher, never, Scope.Scope> =>
  Effect.acquireRelease(Effect.sync(make), (dispatcher) => Effect.promise(() => dispatcher.destroy()))
