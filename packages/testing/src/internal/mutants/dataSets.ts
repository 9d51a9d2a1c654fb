import * as Digest from "@effect-oci/core/Digest"
import * as MediaType from "@effect-oci/core/MediaType"
import * as Operation from "@effect-oci/core/Operation"
import * as RegistryError from "@effect-oci/core/RegistryError"
import * as Effect from "effect/Effect"
import type { Mutant } from "../../Mutant.js"
import { fieldsOf, refusesManifests, rows } from "./mutating.js"

const has = (fields: { readonly [name: string]: unknown }, list: string): ReadonlyArray<{ mediaType?: string }> =>
  Array.isArray(fields[list]) ? fields[list] as ReadonlyArray<{ mediaType?: string }> : []

const configType = (fields: { readonly [name: string]: unknown }) =>
  (fields["config"] as { mediaType?: string } | undefined)?.mediaType

/** Rules 4, 66 and 67: registries that refuse valid content. */
export const dataSets: ReadonlyArray<Mutant> = [
  {
    id: "manifest-cut-to-3-mib",
    name: "manifests of more than 3 MiB are refused",
    breaks: [4, 69],
    middleware: refusesManifests((_, { bytes }) => bytes.byteLength > 3 * 1024 * 1024, RegistryError.SizeInvalid)
  },
  {
    id: "image-without-layers-refused",
    name: "images without layers are refused",
    breaks: [4],
    middleware: refusesManifests((fields) =>
      configType(fields) === MediaType.imageConfig && has(fields, "layers").length === 0
    )
  },
  {
    id: "index-refused",
    name: "indexes are refused",
    breaks: [4, 66],
    middleware: refusesManifests((_, { mediaType }) => mediaType === MediaType.index)
  },
  {
    id: "empty-index-refused",
    name: "empty indexes are refused",
    breaks: [4],
    middleware: refusesManifests((fields) => "manifests" in fields && has(fields, "manifests").length === 0)
  },
  {
    id: "nested-index-refused",
    name: "indexes of indexes are refused",
    breaks: [4, 66],
    middleware: refusesManifests((fields) =>
      has(fields, "manifests").some(({ mediaType }) => mediaType === MediaType.index)
    )
  },
  {
    id: "sparse-index-refused",
    name: "indexes with missing manifests are refused, although the capability is declared",
    breaks: [4, 66],
    middleware: rows((next) => ({
      PushManifest: (operation) =>
        Effect.zipRight(
          Effect.forEach(
            has(fieldsOf(operation.bytes), "manifests") as ReadonlyArray<{ digest: Digest.Digest }>,
            ({ digest }) =>
              Effect.mapError(
                next(new Operation.ResolveManifest({ repository: operation.repository, reference: digest })),
                () => new RegistryError.ManifestBlobUnknown(Operation.errorFields(operation))
              )
          ),
          next(operation)
        )
    }))
  },
  {
    id: "artifact-refused",
    name: "images with another type of config are refused",
    breaks: [4],
    middleware: refusesManifests((fields) =>
      configType(fields) !== undefined && configType(fields) !== MediaType.imageConfig
    )
  },
  {
    id: "artifact-index-refused",
    name: "indexes with an artifact type are refused",
    breaks: [4],
    middleware: refusesManifests((fields, { mediaType }) => mediaType === MediaType.index && "artifactType" in fields)
  },
  {
    id: "artifact-layer-refused",
    name: "layers with other media types than image layers are refused",
    breaks: [4],
    middleware: refusesManifests((fields) => has(fields, "layers").some(({ mediaType }) => mediaType === "text/plain"))
  },
  {
    id: "empty-layer-refused",
    name: "a layer of {} is refused",
    breaks: [4],
    middleware: refusesManifests((fields) =>
      has(fields, "layers").some(({ mediaType }) => mediaType === MediaType.empty)
    )
  },
  {
    id: "many-layers-refused",
    name: "images of three layers are refused",
    breaks: [4],
    middleware: refusesManifests((fields) => has(fields, "layers").length > 2)
  },
  {
    id: "subject-refused",
    name: "images with a subject are refused",
    breaks: [4, 67],
    middleware: refusesManifests((fields) => "subject" in fields && "config" in fields)
  },
  {
    id: "missing-subject-refused",
    name: "a missing subject is refused",
    breaks: [67, 4],
    middleware: rows((next) => ({
      PushManifest: (operation) => {
        const subject = fieldsOf(operation.bytes)["subject"] as { digest: Digest.Digest } | undefined
        if (subject === undefined) return next(operation)
        const { repository } = operation
        return next(new Operation.ResolveManifest({ repository, reference: subject.digest })).pipe(
          Effect.mapError(() => new RegistryError.ManifestBlobUnknown(Operation.errorFields(operation))),
          Effect.zipRight(next(operation))
        )
      }
    }))
  },
  {
    id: "index-subject-refused",
    name: "indexes with a subject are refused",
    breaks: [4, 87],
    middleware: refusesManifests((fields) => "subject" in fields && "manifests" in fields)
  },
  {
    id: "non-distributable-wanted",
    name: "non-distributable layers must exist",
    breaks: [4, 66],
    middleware: refusesManifests(
      (fields) => has(fields, "layers").some((layer) => "urls" in layer),
      RegistryError.ManifestBlobUnknown
    )
  },
  ...["sha512", "blake3"].map((algorithm): Mutant => ({
    id: `${algorithm}-refused`,
    name: `${algorithm} digests are refused, although the capability is declared`,
    breaks: [4, 64, 33, 34],
    middleware: rows((next) => ({
      CompleteUpload: (operation) =>
        Digest.algorithm(operation.digest) === algorithm
          ? Effect.fail(new RegistryError.Unsupported(Operation.errorFields(operation)))
          : next(operation),
      PushManifest: (operation) =>
        operation.digest !== undefined && Digest.algorithm(operation.digest) === algorithm
          ? Effect.fail(new RegistryError.Unsupported(Operation.errorFields(operation)))
          : next(operation)
    }))
  }))
]
