import * as Descriptor from "@effect-oci/core/Descriptor"
import * as Digest from "@effect-oci/core/Digest"
import * as MediaType from "@effect-oci/core/MediaType"
import * as Effect from "effect/Effect"
import * as Fixtures from "../Fixtures.js"
import { Target } from "../Target.js"
import { expectError, expectStatus } from "./expectations.js"
import { head, send } from "./request.js"
import type { Row } from "./section.js"
import { cleanUp, putBlob } from "./upload.js"

/** Helpers that the checks of pushed manifests share. */

export const emptyJson = Fixtures.bytesOf("{}")
export const empty = Descriptor.fromBytes(emptyJson, MediaType.empty)

/** Creates an image that needs only the empty config. The name makes its digest unique. */
export const imageOf = (name: string, more: object = {}) =>
  Fixtures.document(MediaType.image, { config: empty, layers: [], annotations: { "org.example.name": name }, ...more })

export const image = imageOf("image")

export const putDocument = (
  path: string,
  manifest: Fixtures.Document,
  headers: { readonly [name: string]: string } = {}
) => send({ method: "PUT", path, headers: { "content-type": manifest.mediaType, ...headers }, body: manifest.bytes })

/** Pushes the empty config, and returns the path of a manifest in the repository of the check. */
export const manifestPath = (reference: string) =>
  Effect.gen(function*() {
    const { repository } = yield* Target
    yield* putBlob(repository, emptyJson)
    return `/v2/${repository}/manifests/${reference}`
  })

/** Pushes a manifest by a reference. When the scope closes, deletes the manifest by its digest. */
export const putAt = (reference: string, manifest: Fixtures.Document, algorithm: Digest.Algorithm = "sha256") =>
  Effect.gen(function*() {
    const path = yield* manifestPath(reference)
    const { repository } = yield* Target
    yield* cleanUp(`/v2/${repository}/manifests/${Fixtures.digestOf(manifest.bytes, algorithm)}`)
    return yield* putDocument(path, manifest)
  })

/** Checks that a manifest is refused and does not exist afterwards. Default: with 400 and `MANIFEST_INVALID`. */
export const refusesManifest = (
  { codes = invalid, id, level = "must", manifest, name, rules, statuses = [400] }:
    & Pick<Row, "id" | "rules" | "name" | "level">
    & {
      readonly manifest: Fixtures.Document
      readonly statuses?: ReadonlyArray<number>
      readonly codes?: ReadonlyArray<string>
    }
): Row => ({
  id: `manifest-${id}`,
  rules,
  name: `${name} is refused with ${statuses.join(" or ")}, and not stored`,
  level,
  run: Effect.gen(function*() {
    const path = yield* manifestPath("refused")
    const { repository } = yield* Target
    yield* cleanUp(`/v2/${repository}/manifests/${Digest.fromBytes(manifest.bytes)}`)
    yield* expectError(yield* putDocument(path, manifest), statuses, codes)
    yield* expectStatus(yield* head(path), 404)
  })
})

export const invalid = ["MANIFEST_INVALID"]
