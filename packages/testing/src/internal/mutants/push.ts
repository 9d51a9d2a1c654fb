import * as Digest from "@effect-oci/core/Digest"
import * as MediaType from "@effect-oci/core/MediaType"
import * as Operation from "@effect-oci/core/Operation"
import * as RegistryError from "@effect-oci/core/RegistryError"
import * as Effect from "effect/Effect"
import type { Mutant } from "../../Mutant.js"
import {
  changed,
  changeResponses,
  code,
  error,
  existingTags,
  fieldsOf,
  header,
  keyOf,
  refused,
  rows,
  status,
  tolerates,
  unread
} from "./mutating.js"
import { pushTags } from "./pushTags.js"

const unknownType = "application/vnd.example.unknown.v1+json"

const put = { method: "PUT", route: "Manifest" } as const

/** Returns the blobs that a manifest refers to. */
const named = (bytes: Uint8Array): ReadonlyArray<Digest.Digest> => {
  const { layers } = fieldsOf(bytes)
  return Array.isArray(layers)
    ? (layers as ReadonlyArray<{ readonly digest: Digest.Digest }>).map(({ digest }) => digest)
    : []
}

/** Stores manifests that the registry refuses with a certain error. */
const refusesAndKeeps = (tag: RegistryError.RegistryError["_tag"]) =>
  rows((next) => {
    const { keep, rows } = unread(next)
    return {
      ...rows,
      PushManifest: (operation) =>
        Effect.tapError(next(operation), (error) => error._tag === tag ? keep(operation) : Effect.void)
    }
  })

/** Rules 57 and 61 to 70: pushes of manifests. */
export const push: ReadonlyArray<Mutant> = [
  {
    id: "manifest-put-accepted",
    name: "a manifest push returns 202",
    breaks: [61],
    wire: changeResponses({ ...put, status: 201 }, status(202))
  },
  {
    id: "manifest-put-location-missing",
    name: "a manifest push returns no Location",
    breaks: [61],
    wire: changeResponses(put, header("location", undefined))
  },
  {
    id: "manifest-put-location-wrong",
    name: "a manifest push returns the Location of a blob",
    breaks: [61],
    wire: changeResponses(put, header("location", (location) => location?.replace("/manifests/", "/blobs/")))
  },
  {
    id: "manifest-put-digest-missing",
    name: "a manifest push returns no Docker-Content-Digest",
    breaks: [61],
    wire: changeResponses(put, header("docker-content-digest", undefined))
  },
  {
    id: "manifest-put-digest-other-algorithm",
    name: "Docker-Content-Digest is always sha256",
    breaks: [64],
    wire: changeResponses(
      put,
      header(
        "docker-content-digest",
        (current, { sent }) => current === undefined ? undefined : Digest.fromBytes(sent.body ?? new Uint8Array(0))
      )
    )
  },
  {
    id: "manifest-by-tag-alone",
    name: "a manifest that was pushed by tag cannot be pulled by digest",
    breaks: [73],
    middleware: rows((next) => {
      const tagged = new Set<string>()
      return {
        PushManifest: (operation) =>
          Effect.tap(
            next(operation),
            ({ digest }) =>
              Effect.sync(() => operation.digest === undefined ? tagged.add(keyOf(operation, digest)) : undefined)
          ),
        GetManifest: (operation) =>
          tagged.has(keyOf(operation, operation.reference))
            ? refused(RegistryError.ManifestUnknown, operation)
            : next(operation)
      }
    })
  },
  {
    id: "manifest-digest-unchecked",
    name: "a manifest is accepted with any digest",
    breaks: [63],
    middleware: rows((next) => ({
      PushManifest: (operation) =>
        Effect.catchTag(next(operation), "OciDigestInvalid", () => next(changed(operation, { digest: undefined })))
    }))
  },
  {
    id: "manifest-wrong-digest-stored",
    name: "a manifest with the wrong digest is refused, but stored under its own digest",
    breaks: [63],
    middleware: rows((next) => ({
      PushManifest: (operation) =>
        Effect.catchTag(
          next(operation),
          "OciDigestInvalid",
          (error) => Effect.zipRight(next(changed(operation, { digest: undefined })), Effect.fail(error))
        )
    }))
  },
  {
    id: "manifest-wrong-digest-fails",
    name: "a manifest with the wrong digest returns 500",
    breaks: [63],
    wire: changeResponses({ ...put, status: 400, where: ({ path }) => path.includes(":") }, error(500, "UNKNOWN"))
  },
  {
    id: "manifest-invalid-fails",
    name: "a manifest that is not JSON returns 500",
    breaks: [65],
    wire: changeResponses(
      { ...put, status: 400 },
      (received) =>
        Object.keys(fieldsOf(received.sent.body ?? new Uint8Array(0))).length === 0
          ? error(500, "UNKNOWN")(received)
          : received
    )
  },
  {
    id: "manifest-invalid-stored",
    name: "an invalid manifest is refused, but stored",
    breaks: [65, 10, 70],
    middleware: refusesAndKeeps("OciManifestInvalid")
  },
  {
    id: "manifest-unread",
    name: "manifests are not parsed, and any bytes are accepted",
    breaks: [65],
    middleware: tolerates((fields) => Object.keys(fields).length === 0)
  },
  {
    id: "manifest-cut-short-accepted",
    name: "a manifest that starts like JSON is accepted",
    breaks: [65],
    middleware: tolerates((fields, { bytes }) => Object.keys(fields).length === 0 && bytes[0] === "{".charCodeAt(0))
  },
  {
    id: "manifest-ambiguous-accepted",
    name: "a manifest that is both an image and an index is accepted",
    breaks: [10],
    middleware: tolerates((fields) => "manifests" in fields && "layers" in fields)
  },
  {
    id: "manifest-type-unchecked",
    name: "a manifest whose mediaType differs from its Content-Type is accepted",
    breaks: [70],
    middleware: tolerates((fields, operation) =>
      fields["mediaType"] !== operation.mediaType && !("manifests" in fields)
    )
  },
  {
    id: "manifest-descriptor-unchecked",
    name: "a manifest that contains malformed digests is accepted",
    breaks: [65],
    middleware: tolerates((_, { bytes }) => named(bytes).some((digest) => digest.includes("..")))
  },
  {
    id: "manifest-missing-blob-fails",
    name: "a manifest with a missing layer returns 500",
    breaks: [66],
    wire: changeResponses(
      { ...put, status: 400, where: ({ body }) => named(body ?? new Uint8Array(0)).length > 0 },
      error(500, "UNKNOWN")
    )
  },
  {
    id: "manifest-missing-blob-code",
    name: "a manifest with a missing layer returns MANIFEST_INVALID",
    breaks: [66],
    wire: changeResponses(
      { ...put, status: 400, where: ({ body }) => named(body ?? new Uint8Array(0)).length > 0 },
      code("MANIFEST_INVALID")
    )
  },
  {
    id: "manifest-missing-blob-stored",
    name: "a manifest with a missing layer is refused, but stored",
    breaks: [66],
    middleware: refusesAndKeeps("OciManifestBlobUnknown")
  },
  {
    id: "manifest-mounts-what-it-names",
    name: "a manifest that refers to a blob in another repository makes this blob visible",
    breaks: [66],
    middleware: rows((next) => ({
      PushManifest: (operation) =>
        Effect.catchTag(next(operation), "OciManifestBlobUnknown", () =>
          Effect.zipRight(
            Effect.forEach(
              named(operation.bytes),
              (digest) => next(new Operation.MountBlob({ repository: operation.repository, digest }))
            ),
            next(operation)
          ))
    }))
  },
  {
    id: "oci-subject-missing",
    name: "a push with a subject returns no OCI-Subject",
    breaks: [68],
    wire: changeResponses(put, header("oci-subject", undefined))
  },
  {
    id: "oci-subject-itself",
    name: "OCI-Subject is always the digest of the manifest itself",
    breaks: [68],
    wire: changeResponses(put, header("oci-subject", (_, { headers }) => headers["docker-content-digest"]))
  },
  {
    id: "manifest-too-large-invalid",
    name: "a manifest that is too large returns 400",
    breaks: [69],
    wire: changeResponses({ ...put, status: 413 }, status(400))
  },
  {
    id: "manifest-any-size",
    name: "manifests of any size are accepted",
    breaks: [69],
    wire: changeResponses({ ...put, status: 413 }, status(201))
  },
  {
    id: "unknown-type-fails",
    name: "a manifest of an unknown media type returns 500",
    breaks: [70],
    wire: changeResponses(
      { ...put, where: ({ headers }) => headers?.["content-type"] === unknownType },
      error(500, "UNKNOWN")
    )
  },
  {
    id: "unknown-type-renamed",
    name: "a manifest of an unknown media type is returned with another type",
    breaks: [70],
    wire: changeResponses(
      { method: "GET", route: "Manifest" },
      header("content-type", (type) => type === unknownType ? MediaType.image : type)
    )
  },
  {
    id: "manifest-again-refused",
    name: "a manifest that already exists is refused",
    breaks: [57],
    middleware: rows((next) => ({
      PushManifest: (operation) =>
        Effect.flatMap(
          existingTags(next, operation),
          (taken) => taken.length > 0 ? refused(RegistryError.Denied, operation) : next(operation)
        )
    }))
  },
  {
    id: "content-type-parameters-refused",
    name: "a Content-Type with parameters is refused",
    breaks: [6],
    wire: changeResponses(
      { ...put, where: ({ headers }) => headers?.["content-type"]?.includes(";") === true },
      error(400, "MANIFEST_INVALID")
    )
  },
  {
    id: "content-type-parameters-kept",
    name: "the parameters of a Content-Type are stored",
    breaks: [6],
    wire: (send) => {
      const types = new Map<string, string>()
      const keeping = changeResponses(put, (received) => {
        const { headers, path } = received.sent
        types.set(path, headers?.["content-type"] ?? "")
        return received
      })
      const giving = changeResponses(
        { method: "GET", route: "Manifest", status: 200 },
        (received) => header("content-type", (type) => types.get(received.sent.path) ?? type)(received)
      )
      return giving(keeping(send))
    }
  },
  {
    id: "untagged-collected",
    name: "manifests without a tag are deleted at the next push",
    breaks: [66, 4],
    middleware: rows((next) => {
      const untagged = new Map<string, Digest.Digest>()
      return {
        PushManifest: (operation) =>
          Effect.gen(function*() {
            const { repository, tags } = operation
            const pushed = yield* next(operation)
            const digest = untagged.get(repository)
            if (digest !== undefined && digest !== pushed.digest) {
              yield* Effect.ignore(next(new Operation.DeleteManifest({ repository, digest })))
            }
            if (tags.length === 0) untagged.set(repository, pushed.digest)
            else untagged.delete(repository)
            return pushed
          })
      }
    })
  },
  ...pushTags
]
