import * as Descriptor from "@effect-oci/core/Descriptor"
import * as Digest from "@effect-oci/core/Digest"
import * as MediaType from "@effect-oci/core/MediaType"
import * as Effect from "effect/Effect"
import type { Check } from "../Check.js"
import * as Fixtures from "../Fixtures.js"
import { Target } from "../Target.js"
import { expectError, expectStatus, head, send } from "./asking.js"
import { cleanUp, putBlob } from "./putting.js"

/** Helpers that the checks of pushed manifests share. */

export const section = "Pushing Manifests"

export const emptyJson = Fixtures.bytesOf("{}")
export const empty = Descriptor.fromBytes(emptyJson, MediaType.empty)

/** Creates an image that needs only the empty config. The name makes its digest unique. */
export const imageOf = (name: string, more: object = {}) =>
  Fixtures.document(MediaType.image, { config: empty, layers: [], annotations: { "org.example.name": name }, ...more })

export const image = imageOf("image")

export const put = (path: string, manifest: Fixtures.Document, headers: { readonly [name: string]: string } = {}) =>
  send({ method: "PUT", path, headers: { "content-type": manifest.mediaType, ...headers }, body: manifest.bytes })

/** Pushes the empty config, and returns the path of a manifest in the repository of the check. */
export const place = (reference: string) =>
  Effect.gen(function*() {
    const { repository } = yield* Target
    yield* putBlob(repository, emptyJson)
    return `/v2/${repository}/manifests/${reference}`
  })

/** Pushes a manifest by a reference. When the scope closes, deletes the manifest by its digest. */
export const putAt = (reference: string, manifest: Fixtures.Document, algorithm: Digest.Algorithm = "sha256") =>
  Effect.gen(function*() {
    const path = yield* place(reference)
    const { repository } = yield* Target
    yield* cleanUp(`/v2/${repository}/manifests/${Digest.fromBytes(manifest.bytes, algorithm)}`)
    return yield* put(path, manifest)
  })

/** Checks that a manifest is refused and does not exist afterwards. */
export const refused = (
  id: string,
  rules: ReadonlyArray<number>,
  name: string,
  level: Check["level"],
  manifest: Fixtures.Document,
  statuses: ReadonlyArray<number>,
  codes: ReadonlyArray<string>
): Check => ({
  id: `manifest-${id}`,
  rules,
  section,
  name: `${name} is refused with ${statuses.join(" or ")}, and not stored`,
  level,
  needs: ["push"],
  run: Effect.gen(function*() {
    const path = yield* place("refused")
    const { repository } = yield* Target
    yield* cleanUp(`/v2/${repository}/manifests/${Digest.fromBytes(manifest.bytes)}`)
    yield* expectError(yield* put(path, manifest), statuses, codes)
    yield* expectStatus(yield* head(path), 404)
  })
})

export const invalid = ["MANIFEST_INVALID"]
