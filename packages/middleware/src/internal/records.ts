import { Answer, Digest } from "@effect-oci/core"
import { LruMap } from "@effect-oci/core/LruMap"
import type * as PlatformError from "@effect/platform/Error"
import type * as KeyValueStore from "@effect/platform/KeyValueStore"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"

/** The values of one kind that a wrapper keeps, by the names that they are about. */
export interface Records<A> {
  /** Returns `undefined` if there is no value, or if it is damaged. */
  readonly get: (...names: ReadonlyArray<string>) => Effect.Effect<A | undefined, PlatformError.PlatformError>
  readonly set: (value: A, ...names: ReadonlyArray<string>) => Effect.Effect<void, PlatformError.PlatformError>
}

/** How many values are kept in memory, if no store is given. */
const maxInMemory = 100_000

/**
 * Keeps values in a store, or in memory. A key is the digest of the kind and the names, because some stores limit the
 * length and the characters of keys. A record that a crash has cut off is damaged: it is logged, and counts as absent.
 */
export const make = <A, I>(
  kind: string,
  schema: Schema.Schema<A, I>,
  store: KeyValueStore.KeyValueStore | undefined
): Records<A> => {
  if (store === undefined) return inMemory()
  const encode = Schema.encodeSync(Schema.parseJson(schema))
  const decode = Schema.decodeUnknownOption(Schema.parseJson(schema))
  const keyOf = (names: ReadonlyArray<string>) =>
    Digest.fromBytes(new TextEncoder().encode([kind, ...names].join("\n"))).slice("sha256:".length)
  return {
    get: (...names) =>
      Effect.flatMap(store.get(keyOf(names)), (text) => {
        const value = Option.flatMap(text, decode)
        const isDamaged = Option.isSome(text) && Option.isNone(value)
        return Effect.as(isDamaged ? logDamaged(kind, names) : Effect.void, Option.getOrUndefined(value))
      }),
    set: (value, ...names) => store.set(keyOf(names), encode(value))
  }
}

const inMemory = <A>(): Records<A> => {
  const values = new LruMap<string, NonNullable<A>>(maxInMemory)
  return {
    get: (...names) => Answer.succeed(values.get(names.join("\n"))),
    set: (value, ...names) => Effect.sync(() => values.set(names.join("\n"), value as NonNullable<A>))
  }
}

const logDamaged = (kind: string, names: ReadonlyArray<string>) =>
  Effect.annotateLogs(Effect.logWarning("a damaged record counts as absent"), { kind, names: names.join(" ") })
