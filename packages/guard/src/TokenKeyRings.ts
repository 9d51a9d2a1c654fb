/**
 * Sets of keys that change while a service runs. Import them from `TokenKeys`.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as reload from "./internal/reload.js"
import type { SigningKey, VerificationKey } from "./TokenKeysModel.js"

/**
 * The currently valid keys, which may change while a service runs.
 *
 * @since 0.1.0
 * @category models
 */
export interface Verifying {
  /** Returns the key with this id, or `undefined` if no valid key has it. */
  readonly find: (id: string) => VerificationKey | undefined
  /** Returns all valid keys, the newest first. */
  readonly all: () => ReadonlyArray<VerificationKey>
}

/**
 * The currently valid keys, and the one of them that signs.
 *
 * @since 0.1.0
 * @category models
 */
export interface Signing extends Verifying {
  readonly signing: () => SigningKey
}

/**
 * A key ring, which this process changes. One key signs, and all keys verify.
 *
 * To replace the key that signs without refusing a token: `publish` the next key, wait until all registries have read
 * the key set again (`RemoteKeys`), `rotate` to it, wait until the last token of the old key has expired, and `remove`
 * the old key.
 *
 * @since 0.1.0
 * @category models
 */
export interface Ring extends Signing {
  /** Adds a key that verifies, and that the key set contains, but that does not sign yet. */
  readonly publish: (next: VerificationKey) => Effect.Effect<void>
  /** Makes `next` the key that signs. The earlier keys continue to verify their tokens until they are removed. */
  readonly rotate: (next: SigningKey) => Effect.Effect<void>
  /** Removes a key, which makes its tokens invalid. Has no effect for the key that signs. */
  readonly remove: (id: string) => Effect.Effect<void>
}

/**
 * Creates a fixed set of keys that verify.
 *
 * @since 0.1.0
 * @category constructors
 */
export const verifying = (keys: Iterable<VerificationKey>): Verifying => {
  const all = [...keys]
  return { find: (id) => all.find((key) => key.id === id), all: () => all }
}

/**
 * Loads keys, and loads them again at an interval until the scope closes, so that a program need not be restarted when
 * its keys change. If a later load fails, the known keys remain valid, and an error is logged.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { TokenKeys } from "@effect-oci/guard"
 * import { FileSystem } from "@effect/platform"
 * import { Effect, Redacted } from "effect"
 *
 * const keys = Effect.flatMap(FileSystem.FileSystem, (files) =>
 *   files.readFileString("/etc/registry/token.pem").pipe(
 *     Effect.flatMap((pem) => TokenKeys.ringFromPem(Redacted.make(pem))),
 *     TokenKeys.reloaded({ every: "1 minute" })
 *   ))
 * ```
 */
export const reloaded = (options?: {
  /** @default 1 minute */
  readonly every?: Duration.DurationInput | undefined
}) =>
<E extends Error, R>(load: Effect.Effect<Signing, E, R>): Effect.Effect<Signing, E, R | Scope.Scope> =>
  Effect.map(reload.make(load, options?.every ?? "1 minute"), (current) => ({
    find: (id) => current().find(id),
    all: () => current().all(),
    signing: () => current().signing()
  }))

/**
 * Creates a key ring of a key that signs, and of older keys that verify the tokens they signed before.
 *
 * @since 0.1.0
 * @category constructors
 */
export const ring = (signing: SigningKey, ...older: ReadonlyArray<VerificationKey>): Effect.Effect<Ring> =>
  Effect.sync(() => {
    let current = signing
    let others = older
    const all = () => [current, ...others]
    return {
      all,
      find: (id) => all().find((key) => key.id === id),
      signing: () => current,
      publish: (next) =>
        Effect.sync(() => {
          if (next.id !== current.id) others = [next, ...others.filter(({ id }) => id !== next.id)]
        }),
      rotate: (next) =>
        Effect.sync(() => {
          others = all().filter(({ id }) => id !== next.id)
          current = next
        }),
      remove: (id) =>
        Effect.sync(() => {
          others = others.filter((key) => key.id !== id)
        })
    }
  })
