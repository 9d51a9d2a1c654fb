import * as Collector from "@effect-oci/store/Collector"
import * as Retention from "@effect-oci/store/Retention"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { holders } from "./place.js"
import type { Place } from "./place.js"
import { Refused } from "./refused.js"
import * as terminal from "./terminal.js"

/** Runs the garbage collector once, and prints what it removed. */
export const gc = (kind: Place["kind"], policy: Collector.Policy) =>
  Effect.gen(function*() {
    const holder = `${holders[kind]}s`
    const { show } = yield* terminal.progress
    const report = yield* Collector.collect({
      ...policy,
      onProgress: ({ blobs, keys, manifests }) =>
        show(`collecting: ${manifests} manifests and ${blobs} blobs removed, ${keys} ${holder} deleted`)
    })
    yield* terminal.table([
      ["manifests removed", report.manifests],
      ["blobs removed from repositories", report.blobs],
      [`${holder} deleted`, report.keys],
      [`${holder} without metadata deleted`, report.unknownKeys + report.unknownUploads]
    ])
  })

/** Deletes the tags that a policy does not keep, or only prints them. */
export const retain = (policy: Retention.Policy, apply: boolean) =>
  Effect.gen(function*() {
    if (policy.keep === undefined && policy.newest === undefined && policy.youngerThan === undefined) {
      return yield* new Refused({
        message: "no rule says which tags are kept; name at least one: --newest, --younger-than or --keep"
      })
    }
    let tags = 0
    yield* Stream.runForEach(
      apply ? Retention.apply(policy) : Retention.plan(policy),
      ({ reason, repository, tag }) => {
        tags++
        return Console.log(`${repository}:${tag}  ${reason}`)
      }
    )
    if (tags === 0) return yield* Console.log("nothing to delete: the rules keep all tags")
    yield* Console.log(
      apply
        ? `deleted ${terminal.count(tags, "tag")}; \`gc --untagged delete\` deletes manifests without a tag`
        : `would delete ${terminal.count(tags, "tag")}; run again with --apply to delete`
    )
  })
