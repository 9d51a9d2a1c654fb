import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Transport from "../Transport.js"

/** Settings of a request for undici, or for a dispatcher in front of it. */
export interface Settings {
  /** Whether to close the connection of a HEAD. */
  readonly reset?: boolean
  /** Whether the host may be at a private address. {@link ../NodeAddressGuard} uses it. */
  readonly mayBePrivate?: boolean
}

/**
 * The settings that the client over undici takes from the context. The tag is declared here because
 * `@effect/platform-node` is not available on every platform.
 */
class UndiciOptions extends Context.Tag("@effect/platform-node/NodeHttpClient/undiciOptions")<
  UndiciOptions,
  Settings
>() {}

/** Reads the settings of a context. */
export const read = (context: Context.Context<never>): Settings | undefined =>
  context.unsafeMap.get(UndiciOptions.key) as Settings | undefined

/** Adds settings to those of the context. */
export const provide =
  (f: (settings: Settings | undefined) => Settings) => <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
    Transport.mapContext(effect, (context) => Context.add(context, UndiciOptions, f(read(context))))
