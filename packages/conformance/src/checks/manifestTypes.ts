import * as Digest from "@effect-oci/core/Digest"
import * as MediaType from "@effect-oci/core/MediaType"
import * as Effect from "effect/Effect"
import type { Check } from "../Check.js"
import * as Fixtures from "../Fixtures.js"
import { expectError, expectHeader, expectStatus } from "../internal/expectations.js"
import { image, imageOf, invalid, putAt, putDocument, refusesManifest } from "../internal/manifests.js"
import { get, head } from "../internal/request.js"
import { section } from "../internal/section.js"
import { putBlob } from "../internal/upload.js"
import { Target } from "../Target.js"

/** An index without `mediaType`, so that it can be pushed as an OCI index and as a Docker manifest list. */
const untyped = Fixtures.bytesOf(`{"schemaVersion":2,"manifests":[]}`)

const unknown = "application/vnd.example.unknown.v1+json"

/** The JSON text of the members of an image manifest. */
const members = new TextDecoder().decode(image.bytes).slice(1)

const many = Object.fromEntries(Array.from({ length: 20_000 }, (_, index) => [`org.example.${index}`, ""]))

/** Manifests that other programs interpret differently, or that browsers run, are refused. */
export const manifestTypes: ReadonlyArray<Check> = [
  ...section(
    "Pushing Manifests",
    {
      id: "manifest-one-type",
      rules: [7],
      name: "a push of the same manifest bytes with another media type is refused with 400, and the first type remains",
      level: "should",
      run: Effect.gen(function*() {
        const index = { mediaType: MediaType.index, bytes: untyped }
        const list = { mediaType: MediaType.dockerList, bytes: untyped }
        yield* expectStatus(yield* putAt("v1", index), 201)
        const { repository } = yield* Target
        const digest = Digest.fromBytes(untyped)
        for (const reference of [digest, "v1", "v2"]) {
          yield* expectError(yield* putDocument(`/v2/${repository}/manifests/${reference}`, list), [400], invalid)
        }
        for (const reference of [digest, "v1"]) {
          const pulled = yield* expectStatus(yield* get(`/v2/${repository}/manifests/${reference}`), 200)
          yield* expectHeader(pulled, "content-type", MediaType.index)
        }
        yield* expectStatus(yield* head(`/v2/${repository}/manifests/v2`), 404)
      })
    },
    refusesManifest({
      id: "repeated-name",
      rules: [62],
      name: "a manifest with two JSON members of the same name",
      level: "should",
      manifest: { mediaType: MediaType.image, bytes: Fixtures.bytesOf(`{"layers":[],${members}`) }
    }),
    refusesManifest({
      id: "byte-order-mark",
      rules: [62],
      name: "a manifest that starts with a byte order mark",
      level: "should",
      manifest: { mediaType: MediaType.image, bytes: Fixtures.bytesOf(`\ufeff{${members}`) }
    }),
    refusesManifest({
      id: "unknown-type-of-known",
      rules: [10, 70],
      name: "a manifest with an unknown Content-Type whose mediaType is a known type",
      level: "should",
      manifest: { mediaType: unknown, bytes: image.bytes },
      statuses: [400, 415],
      codes: [...invalid, "UNSUPPORTED"]
    }),
    refusesManifest({
      id: "generic-type-of-image",
      rules: [10, 70],
      name: "an image without mediaType that is pushed as application/json",
      level: "should",
      manifest: {
        mediaType: "application/json",
        bytes: Fixtures.bytesOf(`{"schemaVersion":2,"config":null,"layers":[]}`)
      },
      statuses: [400, 415],
      codes: [...invalid, "UNSUPPORTED"]
    }),
    refusesManifest({
      id: "schema-1",
      rules: [70],
      name: "a manifest of Docker's schema 1",
      level: "should",
      manifest: {
        mediaType: MediaType.dockerSchema1,
        bytes: Fixtures.bytesOf(
          `{"schemaVersion":1,"name":"a","tag":"b","architecture":"amd64","fsLayers":[],"history":[]}`
        )
      },
      statuses: [400, 405, 415],
      codes: [...invalid, "UNSUPPORTED"]
    }),
    ...["text/html", "image/svg+xml"].map((mediaType) =>
      refusesManifest({
        id: `active-type-${mediaType.slice(mediaType.indexOf("/") + 1).replace("+", "-")}`,
        rules: [70],
        name: `a manifest of type ${mediaType}, which browsers execute,`,
        level: "should",
        manifest: {
          mediaType,
          bytes: Fixtures.bytesOf(`<script xmlns="http://www.w3.org/2000/svg">alert(1)</script>`)
        },
        statuses: [400, 415],
        codes: [...invalid, "UNSUPPORTED"]
      })
    ),
    {
      id: "manifest-many-entries",
      rules: [69],
      name: "a manifest with 20,000 annotations is accepted, or refused with 400 or 413 and not stored",
      level: "may",
      run: Effect.gen(function*() {
        const received = yield* putAt("many", imageOf("many", { annotations: many }))
        if (received.status === 201) return
        yield* expectError(received, [400, 413])
        yield* expectStatus(yield* head(received.sent.path), 404)
      })
    }
  ),
  ...section(
    "Pulling manifests",
    {
      id: "content-inert",
      rules: [4, 14],
      name:
        "responses with content have nosniff and a sandbox Content-Security-Policy, so that browsers do not execute it",
      level: "should",
      run: Effect.gen(function*() {
        yield* expectStatus(yield* putAt("v1", image), 201)
        const { repository } = yield* Target
        const html = Fixtures.bytesOf("<script>alert(1)</script>")
        const blob = yield* putBlob(repository, html)
        for (const path of [`/v2/${repository}/manifests/v1`, `/v2/${repository}/blobs/${blob}`]) {
          for (const received of [yield* get(path), yield* head(path)]) {
            yield* expectStatus(received, 200)
            yield* expectHeader(received, "x-content-type-options", "nosniff")
            yield* expectHeader(received, "content-security-policy", /(?:^|;\s*)sandbox\s*(?:;|$)/)
          }
        }
      })
    }
  )
]
