import * as Context from "effect/Context"
import * as Effect from "effect/Effect"

/** Settings of a request that undici, or a dispatcher before it, goes by. */
export interface Settings {
  /** Whether the connection of a HEAD is closed. */
  readonly reset?: boolean
  /** Whether the host may be at a private address. Of {@link ../NodeAddressGuard}. */
  readonly mayBePrivate?: boolean
}

/** Settings that the client over undici takes from its context: of `@effect/platform-node`, which is not for everywhere. */
class UndiciOptions extends Context.Tag("@effect/platform-node/NodeHttpClient/undiciOptions")<
  UndiciOptions,
  Settings
>() {}

/** Reads the settings of a context. */
export const read = (context: Context.Context<never>): Settings | undefined =>
  context.unsafeMap.get(UndiciOptions.key) as Settings | undefined

/** Adds settings to those that are in the context. */
export const provide =
  (f: (settings: Settings | undefined) => Settings) => <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
    Effect.mapInputContext(
      effect,
      (context: Context.Context<never>) => Context.add(context, UndiciOptions, f(read(context)))
    )
