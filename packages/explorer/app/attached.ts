/** Reads what refers to a manifest. */
import type { Descriptor } from "@effect-oci/core/Descriptor"
import type { Digest } from "@effect-oci/core/Digest"
import type { RegistryError } from "@effect-oci/core/RegistryError"
import type { RepositoryName } from "@effect-oci/core/RepositoryName"
import type { Tag } from "@effect-oci/core/Tag"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Connection } from "./connection.js"

/** How many referrers are read. */
const limit = 1000

/** cosign writes what it attaches under tags that are made from the digest. */
const cosignKinds = [["sig", "signature by cosign"], ["att", "attestation by cosign"], [
  "sbom",
  "SBOM by cosign"
]] as const

const attachedByTag = (
  connection: Connection,
  repository: RepositoryName,
  digest: Digest
): Effect.Effect<ReadonlyArray<Descriptor>> =>
  Effect.map(
    Effect.forEach(cosignKinds, ([suffix, artifactType]) =>
      Effect.match(connection.registry.resolveManifest(repository, `${digest.replace(":", "-")}.${suffix}` as Tag), {
        onFailure: () => [],
        onSuccess: (descriptor): ReadonlyArray<Descriptor> => [{ ...descriptor, artifactType }]
      }), { concurrency: 3 }),
    (found) =>
      found.flat()
  )

/** Reads what refers to a manifest. */
export const read = (
  connection: Connection,
  repository: RepositoryName,
  digest: Digest
): Effect.Effect<ReadonlyArray<Descriptor>, RegistryError> =>
  Effect.zipWith(
    Stream.runCollect(Stream.take(connection.registry.listReferrers(repository, digest), limit)),
    attachedByTag(connection, repository, digest),
    (referrers, tagged) => [
      ...Chunk.toReadonlyArray(referrers),
      ...tagged.filter((one) => !Chunk.some(referrers, (other) => other.digest === one.digest))
    ],
    { concurrent: true }
  )
