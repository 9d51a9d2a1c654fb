import type * as Effect from "effect/Effect"
import * as undiciOptions from "./undiciOptions.js"

/**
 * Has undici keep the connection of a HEAD, which it closes in case that the answer has a body. Most of what a registry
 * is asked are these, and a connection takes longer than they do. A body there ends the connection all the same.
 */
export const keepAlive: <A, E>(effect: Effect.Effect<A, E>) => Effect.Effect<A, E> = undiciOptions.provide(
  (settings) => ({ reset: false, ...settings })
)
