import * as Scrub from "@effect-oci/store/Scrub"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { holders } from "./place.js"
import type { Place } from "./place.js"
import * as terminal from "./terminal.js"

const lineOf = (finding: Scrub.Finding, holder: string): string => {
  switch (finding._tag) {
    case "CorruptBlob": {
      const { descriptor, key } = finding.blob
      return `corrupt   blob ${descriptor.digest}: the bytes in the ${holder} ${key} have another digest`
    }
    case "MissingBlob": {
      const { descriptor, key } = finding.blob
      return `missing   blob ${descriptor.digest}: the ${holder} ${key} (${
        terminal.bytes(descriptor.size)
      }) does not exist`
    }
    case "CorruptManifest":
      return `corrupt   manifest ${finding.repository}@${finding.digest}: its bytes in the database have another digest`
    case "UnknownBytes": {
      const { key, size } = finding
      return `unknown   the ${holder} ${key} (${terminal.bytes(size)}): nothing refers to its bytes; \`gc\` deletes it`
    }
  }
}

const advice = (isDiscarded: boolean, holder: string) =>
  isDiscarded
    ? "the damaged blobs were discarded; push the images above again"
    : `some are damaged; restore the ${holder}s below blobs from a backup, or run again with --discard and push the ` +
      "images above"

/**
 * Hashes all content. Prints what is wrong, and the images that it affects. Returns whether content is corrupt or missing.
 */
export const check = (
  kind: Place["kind"],
  { bytesPerSecond, discard }: { readonly bytesPerSecond: number | undefined; readonly discard: boolean }
) =>
  Effect.gen(function*() {
    const { show } = yield* terminal.progress
    const damage: Array<Scrub.Finding> = []
    let checked: Scrub.Progress = { manifests: 0, blobs: 0, bytes: 0, keys: 0 }
    const findings = Scrub.findings({
      bytesPerSecond,
      onProgress: (progress) => {
        checked = progress
        return show(
          `checking: ${progress.manifests} manifests, ${progress.blobs} blobs, ${terminal.bytes(progress.bytes)}`
        )
      }
    })
    yield* Stream.runForEach(findings, (finding) => {
      if (finding._tag !== "UnknownBytes") damage.push(finding)
      return Effect.zipRight(
        discard ? Scrub.discard(finding) : Effect.void,
        Console.log(lineOf(finding, holders[kind]))
      )
    })
    yield* Stream.runForEach(
      Scrub.damaged(damage),
      ({ reference, repository }) =>
        Console.log(`affected  ${repository}${reference.includes(":") ? "@" : ":"}${reference}`)
    )
    const summary = `${terminal.count(checked.manifests, "manifest")} and ${terminal.count(checked.blobs, "blob")}, ${
      terminal.bytes(checked.bytes)
    }`
    yield* Console.log(
      `checked ${summary}: ${damage.length > 0 ? advice(discard, holders[kind]) : "all are as they were pushed"}`
    )
    return damage.length > 0
  })
