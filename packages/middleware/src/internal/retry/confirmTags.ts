import { Answer, Digest, Operation, RegistryError } from "@effect-oci/core"
import * as Effect from "effect/Effect"
import { isDigestOf } from "../pushedManifest.js"
import type { Attempts } from "./attempts.js"

/**
 * Returns the result of a push with a condition that is refused after an earlier attempt may have been executed. If all
 * its tags point at its manifest, the push has succeeded. Then the manifest is pushed again without tags, to complete
 * what the earlier attempt may have left undone, and to get the result of a push.
 */
export const confirmTags = (
  attempts: Attempts,
  operation: Operation.PushManifest,
  error: RegistryError.Denied
): Effect.Effect<Operation.PushedManifest, RegistryError.RegistryError> => {
  const { repository } = operation
  const tags = Array.from(new Set(operation.tags))
  const found = Effect.catchIf(
    Effect.forEach(tags, (tag) =>
      Effect.tap(
        attempts.next(new Operation.ResolveManifest({ repository, reference: tag })),
        ({ digest }) => Digest.load(digest)
      )),
    RegistryError.isNotFound,
    () => Answer.fail(error)
  )
  return Effect.flatMap(
    found,
    ([first, ...others]) =>
      first !== undefined && [first, ...others].every(({ digest }) => isDigestOf(operation, digest))
        ? Effect.map(
          attempts.next(
            new Operation.PushManifest({ ...operation, digest: first.digest, tags: [] })
          ),
          (pushed) => ({ ...pushed, tags })
        )
        : Answer.fail(error)
  )
}
