import * as Digest from "@effect-oci/core/Digest"
import type * as Handler from "@effect-oci/core/Handler"
import * as Manifest from "@effect-oci/core/Manifest"
import * as Operation from "@effect-oci/core/Operation"
import * as RegistryError from "@effect-oci/core/RegistryError"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as committed from "./committed.js"
import type { Exchange } from "./exchange.js"
import type { ReferrersTag } from "./referrersTag.js"

/** The largest manifest that is sent, in bytes. */
export interface Manner {
  readonly maxPushedManifest: number
}

/** What a registry answers that is asked for too many tags at once. Spec: "Pushing manifests with tags". */
const tooManyTags = (error: RegistryError.RegistryError): boolean => error.status === 414 || error.status === 431

/**
 * Pushes a manifest, unless other programs may take it for another one. Tags that the registry does not set along with
 * the digest are set one by one, and the referrers of its subject are kept where the registry does not do so. Spec:
 * "Pushing manifests", "Pushing Manifests with Subject".
 */
export const make = (
  exchange: Exchange,
  referrersTag: ReferrersTag,
  { maxPushedManifest }: Manner
): Handler.Row<"PushManifest"> =>
(asked) => {
  const tags = [...new Set(asked.tags)]
  const operation = new Operation.PushManifest({ ...asked, tags })
  const fields = exchange.fields(operation)
  const { bytes, repository } = operation
  if (bytes.byteLength > maxPushedManifest) {
    return Effect.fail(
      new RegistryError.SizeInvalid({
        ...fields,
        limit: maxPushedManifest,
        reason: `the manifest has ${bytes.byteLength} bytes, and ${maxPushedManifest} at most are sent`
      })
    )
  }

  const ambiguous = Manifest.unambiguous(operation)
  if (Either.isLeft(ambiguous)) return Effect.fail(RegistryError.withFields(ambiguous.left, fields))

  /**
   * A push with `ifAbsent` whose answer was lost would find its own tags, and be refused, if it were sent again. If they
   * are there, the manifest is pushed once more without them, which does no harm.
   */
  const ownTags = (error: RegistryError.RegistryError) => {
    const own = operation.digest ?? Digest.fromBytes(bytes)
    return Effect.forEach(
      tags,
      (reference) => exchange.call(new Operation.ResolveManifest({ repository, reference }), fields)
    )
      .pipe(
        committed.once,
        Effect.filterOrFail((found) => tags.length > 0 && found.every(({ digest }) => digest === own)),
        Effect.mapError(() => error),
        Effect.zipRight(
          exchange.call(
            new Operation.PushManifest({ ...operation, digest: own, tags: [], ifAbsent: undefined }),
            fields
          )
        ),
        Effect.map((pushed) => ({ ...pushed, tags }))
      )
  }

  const withTags = exchange.call(operation).pipe(
    Effect.catchIf(
      (error) => operation.ifAbsent === true && committed.isUnknown(error, "PUT", fields.registry),
      ownTags
    ),
    Effect.catchIf(
      (error) => tags.length > 1 && tooManyTags(error),
      () => exchange.call(new Operation.PushManifest({ ...operation, tags: [] }))
    )
  )

  const tagged = (pushed: Operation.PushedManifest) => {
    if (pushed.tags.length === tags.length) return Effect.succeed(pushed)
    const missing = tags.filter((tag) => !pushed.tags.includes(tag))
    return Effect.as(
      Effect.forEach(
        missing,
        (tag) => exchange.call(new Operation.PushManifest({ ...operation, digest: undefined, tags: [tag] })),
        { discard: true }
      ),
      { ...pushed, tags }
    )
  }

  return withTags.pipe(
    Effect.flatMap(tagged),
    Effect.flatMap((pushed) => referrersTag.attach(operation, pushed))
  )
}
