import type { Sent } from "@effect-oci/conformance/Target"
import * as Body from "@effect-oci/core/Body"
import * as Descriptor from "@effect-oci/core/Descriptor"
import * as Digest from "@effect-oci/core/Digest"
import * as Operation from "@effect-oci/core/Operation"
import type * as RegistryError from "@effect-oci/core/RegistryError"
import type { RepositoryName } from "@effect-oci/core/RepositoryName"
import * as Effect from "effect/Effect"
import type { Mutant } from "../../Mutant.js"
import { changeResponses, error, query, queryOf, respondInstead, rows, uploadedBytes } from "./mutating.js"

const nothing = new Uint8Array(0)
const put = { method: "PUT", route: "Upload" } as const
const isSingle = (sent: Sent) => queryOf(sent).has("digest")

const descriptorOf = (digest: Digest.Digest, bytes: Uint8Array): Descriptor.Descriptor => ({
  ...Descriptor.fromBytes(bytes),
  digest
})

/** How a mutant handles content whose digest differs from the declared digest. */
const onWrongDigest = (
  isMeant: (operation: Operation.CompleteUpload | Operation.PushBlob) => boolean,
  then: (
    content: { readonly repository: RepositoryName; readonly declared: Digest.Digest; readonly bytes: Uint8Array },
    next: Parameters<Parameters<typeof rows>[0]>[0],
    error: RegistryError.DigestInvalid
  ) => Effect.Effect<Descriptor.Descriptor, RegistryError.RegistryError>
) =>
  rows((next) => {
    const uploaded = uploadedBytes()
    return {
      AppendUpload: (operation) => Effect.tap(next(operation), () => Effect.sync(() => uploaded.append(operation))),
      CompleteUpload: (operation) =>
        Effect.catchTag(next(operation), "OciDigestInvalid", (error) =>
          isMeant(operation) && Digest.verifiable(operation.digest) !== undefined
            ? then(
              { repository: operation.repository, declared: operation.digest, bytes: uploaded.whole(operation) },
              next,
              error
            )
            : Effect.fail(error)),
      PushBlob: (operation) =>
        Effect.catchTag(next(operation), "OciDigestInvalid", (error) => {
          const { descriptor: { digest: declared }, repository } = operation
          return isMeant(operation) && Digest.verifiable(declared) !== undefined
            ? then({ repository, declared, bytes: uploaded.whole(operation) }, next, error)
            : Effect.fail(error)
        })
    }
  })

const keep = (repository: RepositoryName, bytes: Uint8Array, algorithm: Digest.Algorithm) =>
  new Operation.PushBlob({
    repository,
    descriptor: Descriptor.fromBytes(bytes, Descriptor.octetStream, algorithm),
    body: Body.bytes(bytes)
  })

/** Rules 34 and 35: content that does not match its declared digest. */
export const blobDigests: ReadonlyArray<Mutant> = [
  {
    id: "blob-digest-unchecked",
    name: "a blob is accepted with any digest",
    breaks: [34],
    middleware: onWrongDigest(() => true, ({ bytes, declared }) => Effect.succeed(descriptorOf(declared, bytes)))
  },
  {
    id: "blob-wrong-digest-fails",
    name: "a blob with the wrong digest returns 500",
    breaks: [34],
    wire: changeResponses({ route: ["Upload", "Uploads"], status: 400, where: isSingle }, error(500, "UNKNOWN"))
  },
  {
    id: "blob-wrong-digest-stored",
    name: "a blob with the wrong digest is refused, but stored under its own digest",
    breaks: [34],
    middleware: onWrongDigest(
      () => true,
      ({ bytes, repository, declared }, next, error) =>
        Effect.zipRight(next(keep(repository, bytes, Digest.verifiable(declared) ?? "sha256")), Effect.fail(error))
    )
  },
  {
    id: "blob-wrong-digest-half-stored",
    name: "a blob with the wrong digest is refused, but HEAD finds it under the wrong digest",
    breaks: [34],
    middleware: (next) => {
      const lies = new Map<string, Descriptor.Descriptor>()
      return rows((next) => ({
        ResolveBlob: (operation) => {
          const lie = lies.get(`${operation.repository}@${operation.digest}`)
          return lie === undefined ? next(operation) : Effect.succeed(lie)
        }
      }))(
        onWrongDigest(() => true, ({ bytes, repository, declared }, _, error) => {
          lies.set(`${repository}@${declared}`, descriptorOf(declared, bytes))
          return Effect.fail(error)
        })(next)
      )
    }
  },
  {
    id: "chunked-digest-unchecked",
    name: "the digest of a blob pushed in chunks is not verified",
    breaks: [34],
    middleware: onWrongDigest(
      (operation) => operation._tag === "CompleteUpload" && operation.body === undefined,
      ({ bytes, declared }) => Effect.succeed(descriptorOf(declared, bytes))
    )
  },
  {
    id: "single-post-digest-unchecked",
    name: "the digest of a blob pushed by one POST is not verified",
    breaks: [34],
    middleware: onWrongDigest(
      ({ _tag }) => _tag === "PushBlob",
      ({ bytes, declared }) => Effect.succeed(descriptorOf(declared, bytes))
    )
  },
  ...["sha512", "blake3"].map((algorithm): Mutant => ({
    id: `${algorithm}-unchecked`,
    name: `a ${algorithm} digest is not verified`,
    breaks: [34],
    middleware: onWrongDigest(
      (operation) =>
        Digest.algorithm(operation._tag === "PushBlob" ? operation.descriptor.digest : operation.digest) === algorithm,
      ({ bytes, declared }) => Effect.succeed(descriptorOf(declared, bytes))
    )
  })),
  {
    id: "blob-digest-missing-accepted",
    name: "a PUT without a digest completes an upload session",
    breaks: [35],
    wire: respondInstead(
      { ...put, where: (sent) => !isSingle(sent) },
      (sent, send) =>
        send(query((parameters) => parameters.set("digest", Digest.fromBytes(sent.body ?? nothing)))(sent))
    )
  },
  {
    id: "blob-digest-malformed-fails",
    name: "a malformed digest of a blob returns 500",
    breaks: [35],
    wire: changeResponses(
      { ...put, status: 400, where: (sent) => !/^sha(256|512):[0-9a-f]+$/.test(queryOf(sent).get("digest") ?? "") },
      error(500, "UNKNOWN")
    )
  },
  {
    id: "blob-digest-unknown-algorithm-accepted",
    name: "a digest with an unsupported algorithm is accepted",
    breaks: [35],
    middleware: rows((next) => ({
      CompleteUpload: (operation) =>
        Digest.verifiable(operation.digest) === undefined
          ? Effect.succeed(descriptorOf(operation.digest, operation.body?.bytes ?? nothing))
          : next(operation)
    }))
  }
]
