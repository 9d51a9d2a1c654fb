import * as Context from "effect/Context"
import * as Effect from "effect/Effect"

/** Settings that the client over undici takes from its context: of `@effect/platform-node`, which is not for everywhere. */
class UndiciOptions extends Context.Tag("@effect/platform-node/NodeHttpClient/undiciOptions")<
  UndiciOptions,
  { readonly reset?: boolean }
>() {}

/**
 * Has undici keep the connection of a HEAD, which it closes in case that the answer has a body. Most of what a registry
 * is asked are these, and a connection takes longer than they do. A body there ends the connection all the same.
 */
export const keepAlive = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Effect.mapInputContext(effect, (context: Context.Context<never>) => {
    const settings = context.unsafeMap.get(UndiciOptions.key) as { readonly reset?: boolean } | undefined
    return Context.add(context, UndiciOptions, { reset: false, ...settings })
  })
