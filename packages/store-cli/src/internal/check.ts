import { Scrub } from "@effect-oci/store"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as terminal from "./terminal.js"

const lineOf = (finding: Scrub.Finding): string => {
  switch (finding._tag) {
    case "CorruptBlob":
      return `corrupt   blob ${finding.blob.descriptor.digest}: its bytes have another digest`
    case "MissingBlob":
      return `missing   blob ${finding.blob.descriptor.digest}, ${terminal.bytes(finding.blob.descriptor.size)}`
    case "CorruptManifest":
      return `corrupt   manifest ${finding.repository}@${finding.digest}`
    case "UnknownBytes":
      return `unknown   ${finding.key}, ${
        terminal.bytes(finding.size)
      }: nothing refers to these bytes; \`gc\` deletes them`
  }
}

/** Hashes all content. Prints what is wrong. Returns whether content is corrupt or missing. */
export const check = (bytesPerSecond: number | undefined) =>
  Effect.gen(function*() {
    const { show } = yield* terminal.progress
    let isDamaged = false
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
      isDamaged ||= finding._tag !== "UnknownBytes"
      return Console.log(lineOf(finding))
    })
    const summary = `${checked.manifests} manifests and ${checked.blobs} blobs, ${terminal.bytes(checked.bytes)}`
    yield* Console.log(
      isDamaged
        ? `checked ${summary}: some are damaged; push the images that use them again, or restore a backup`
        : `checked ${summary}: all are as they were pushed`
    )
    return isDamaged
  })
