import * as Digest from "@effect-oci/core/Digest"
import type * as Handler from "@effect-oci/core/Handler"
import * as Manifest from "@effect-oci/core/Manifest"
import * as Operation from "@effect-oci/core/Operation"
import * as RegistryError from "@effect-oci/core/RegistryError"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { HttpExchange } from "./httpExchange.js"
import * as lostCommit from "./lostCommit.js"
import type { PushOptions } from "./pushBlob.js"
import type { ReferrersTag } from "./referrersTag.js"

/**
 * Returns whether the registry refused a request because it has too many tags.
 * [Spec](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pushing-manifests).
 */
const tooManyTags = (error: RegistryError.RegistryError): boolean => error.status === 414 || error.status === 431

/**
 * Pushes a manifest, unless other programs could interpret it as a different manifest. If the registry does not set the
 * tags together with the digest, the client sets them one by one. If the registry does not track the referrers of the
 * manifest's subject, the client does. Spec:
 * [manifests](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pushing-manifests),
 * [subject](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pushing-manifests-with-subject).
 */
export const make = (
  http: HttpExchange,
  referrersTag: ReferrersTag,
  { maxPushedManifest }: Pick<PushOptions, "maxPushedManifest">
): Handler.Row<"PushManifest"> =>
(push) => {
  const tags = [...new Set(push.tags)]
  const operation = new Operation.PushManifest({ ...push, tags })
  const fields = http.fields(operation)
  const { bytes, repository } = operation
  if (bytes.byteLength > maxPushedManifest) {
    return Effect.fail(
      new RegistryError.SizeInvalid({
        ...fields,
        limit: maxPushedManifest,
        reason:
          `the manifest has ${bytes.byteLength} bytes, more than the limit of ${maxPushedManifest}: raise limits.pushedManifest`
      })
    )
  }

  const ambiguous = Either.flatMap(Operation.withOneCondition(operation), Manifest.unambiguous)
  if (Either.isLeft(ambiguous)) return Effect.fail(RegistryError.withFields(ambiguous.left, fields))

  /**
   * Handles a push with a condition whose answer was lost. A second push would find the tags of the first one, and many
   * registries refuse it then. If the tags point to the manifest, it is pushed again without tags, which does no harm.
   */
  const findPushed = (error: RegistryError.RegistryError) => {
    const digest = operation.digest ?? Digest.fromBytes(bytes)
    return Effect.forEach(
      tags,
      (reference) => http.call(new Operation.ResolveManifest({ repository, reference }), fields)
    )
      .pipe(
        lostCommit.withoutRetries,
        Effect.filterOrFail((found) => tags.length > 0 && found.every((descriptor) => descriptor.digest === digest)),
        Effect.mapError(() => error),
        Effect.zipRight(
          http.call(new Operation.PushManifest({ ...operation, digest, tags: [] }), fields)
        ),
        Effect.map((pushed) => ({ ...pushed, tags }))
      )
  }

  const withTags = http.call(operation).pipe(
    Effect.catchIf(
      (error) => Operation.isConditional(operation) && lostCommit.mayBeCommitted(error, "PUT", fields.registry),
      findPushed
    ),
    Effect.catchIf(
      (error) => tags.length > 1 && tooManyTags(error),
      () => http.call(new Operation.PushManifest({ ...operation, tags: [] }))
    )
  )

  const tagged = (pushed: Operation.PushedManifest) => {
    if (pushed.tags.length === tags.length) return Effect.succeed(pushed)
    const missing = tags.filter((tag) => !pushed.tags.includes(tag))
    return Effect.as(
      Effect.forEach(
        missing,
        (tag) => http.call(new Operation.PushManifest({ ...operation, digest: undefined, tags: [tag] })),
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
