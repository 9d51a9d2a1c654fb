/** The suite, against a registry whose faults are known: docker-registry (CNCF distribution) 2.8, by version 1.1. */
import { NodeContext, NodeHttpClient } from "@effect/platform-node"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as Conformance from "../src/Conformance.js"
import * as NodePeers from "../src/NodePeers.js"
import * as Report from "../src/Report.js"

/** What it fails, and why. */
const faults: ReadonlyArray<{ readonly why: string; readonly checks: ReadonlyArray<string> }> = [
  {
    why: "Content that a browser runs is served without nosniff and without a sandbox",
    checks: ["content-inert"]
  },
  {
    why: "A manifest with a name twice is stored: parsers read it differently",
    checks: ["manifest-repeated-name"]
  },
  {
    why: "A malformed digest is looked for as if it were a tag: 500",
    checks: ["manifest-bad-digest"]
  },
  {
    why: "An OCI manifest is not there for those who do not say in Accept that they take it: 404",
    checks: ["manifest-accept"]
  },
  {
    why: "An index must have all of its manifests: MANIFEST_BLOB_UNKNOWN",
    checks: ["pull-sparse-index"]
  },
  {
    why: "The URLs of layers that are not distributable are refused unless they are configured: 500",
    checks: ["pull-non-distributable-layer"]
  },
  {
    why: "Manifests are kept under sha256 alone: DIGEST_INVALID",
    checks: [
      "manifest-put-sha512",
      "pull-artifact-index-sha512",
      "pull-artifact-sha512",
      "pull-artifact-without-layers-sha512",
      "pull-custom-fields-sha512",
      "pull-data-field-sha512",
      "pull-empty-index-sha512",
      "pull-image-sha512",
      "pull-image-with-a-subject-sha512",
      "pull-image-without-layers-sha512",
      "pull-index-sha512",
      "pull-index-with-a-subject-sha512",
      "pull-missing-subject-sha512",
      "pull-nested-index-sha512",
      "pull-non-distributable-layer-sha512",
      "pull-odd-white-space-and-order-sha512",
      "pull-sparse-index-sha512"
    ]
  },
  {
    why: "416 says the length of the blob, and its body is shorter: the answer breaks off",
    checks: ["blob-range-backwards", "blob-range-outside"]
  },
  {
    why: "A range in another unit is refused, and not ignored: 416",
    checks: ["blob-range-other-unit"]
  },
  {
    why: "A digest in a manifest that is none is looked for: 500",
    checks: ["manifest-malformed-descriptor"]
  },
  {
    why: "A manifest that is too large is invalid: 400",
    checks: ["manifest-too-large"]
  },
  {
    why: "If-None-Match is ignored, and the tag moves",
    checks: ["manifest-if-absent"]
  },
  {
    why: "Content-Range is ignored: any chunk is added where the upload stands, 202",
    checks: [
      "upload-backwards",
      "upload-first-chunk-out-of-order",
      "upload-gap",
      "upload-longer-than-range",
      "upload-overlap",
      "upload-shorter-than-range"
    ]
  },
  {
    why: "A mount of a malformed digest opens an upload: 202",
    checks: ["mount-digest-malformed"]
  },
  {
    why: "Tags are listed in no order, and n and last are ignored",
    checks: [
      "tags",
      "tags-bad-n",
      "tags-last",
      "tags-last-missing",
      "tags-link",
      "tags-link-while-tags-come",
      "tags-n",
      "tags-n-and-last",
      "tags-n-large",
      "tags-n-zero"
    ]
  },
  {
    why: "A repository that never had a tag is NAME_UNKNOWN to those who list its tags",
    checks: ["tags-none"]
  },
  {
    why: "There are no referrers: 404, and no OCI-Subject",
    checks: [
      "manifest-subject",
      "referrers",
      "referrers-bad-digest",
      "referrers-deleted",
      "referrers-filter",
      "referrers-large",
      "referrers-none",
      "referrers-unknown-repository"
    ]
  },
  {
    why: "A tag cannot be deleted: 400",
    checks: ["delete-tag", "delete-tag-missing"]
  },
  {
    why: "Slashes that follow each other are made one by a redirect: 301",
    checks: ["name-malformed"]
  },
  {
    why: "A name that is too long is found out too late: 500",
    checks: ["name-too-long"]
  }
]

const skip = {
  "manifest-tag-moves": "a race that it loses at times: a tag is away while its file is written",
  "upload-concurrent-chunks": "a race that it loses at times: both chunks are taken"
}

const report = Effect.gen(function*() {
  const { authority } = yield* NodePeers.dockerRegistry
  const wire = Conformance.layerUrl(`http://${authority}`).pipe(Layer.provide(NodeHttpClient.layerUndici))
  const options = { capabilities: { version: "1.1" as const }, skip }
  return yield* Effect.provide(Conformance.run(options), wire)
}).pipe(Effect.provide(NodeContext.layer))

describe.runIf(NodePeers.have("docker-registry"))("docker-registry, by the suite", () => {
  it.scopedLive("fails what it is known to fail, and nothing else", () =>
    Effect.gen(function*() {
      const found = yield* report
      process.stdout.write(Report.matrix([{ name: "docker-registry", report: found }]))
      const failed = found.results.flatMap(({ check, outcome }) => outcome._tag === "Failed" ? [check.id] : [])
      expect(failed.sort()).toEqual(faults.flatMap(({ checks }) => checks).sort())
    }), 60_000)
})
