import { Collector, Retention } from "@effect-oci/store"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as terminal from "./terminal.js"

/** Runs the garbage collector once, and prints what it removed. */
export const gc = (policy: Collector.Policy) =>
  Effect.gen(function*() {
    const { show } = yield* terminal.progress
    const report = yield* Collector.collect({
      ...policy,
      onProgress: ({ blobs, keys, manifests }) =>
        show(`collecting: ${manifests} manifests and ${blobs} blobs removed, ${keys} files deleted`)
    })
    yield* terminal.table([
      ["manifests removed", report.manifests],
      ["blobs removed from repositories", report.blobs],
      ["files deleted", report.keys],
      ["files without metadata deleted", report.unknownKeys + report.unknownUploads]
    ])
  })

/** Deletes the tags that a policy does not keep, or only prints them. */
export const retain = (policy: Retention.Policy, apply: boolean) =>
  Effect.gen(function*() {
    let tags = 0
    yield* Stream.runForEach(
      apply ? Retention.apply(policy) : Retention.plan(policy),
      ({ reason, repository, tag }) => {
        tags++
        return Console.log(`${repository}:${tag}  ${reason}`)
      }
    )
    yield* Console.log(
      apply
        ? `${tags} tags deleted; \`gc --untagged delete\` deletes manifests without a tag`
        : `${tags} tags would be deleted; run again with --apply to delete them`
    )
  })
