import * as Digest from "@effect-oci/core/Digest"
import type * as Operation from "@effect-oci/core/Operation"
import * as Reference from "@effect-oci/core/Reference"
import * as RepositoryName from "@effect-oci/core/RepositoryName"
import * as Tag from "@effect-oci/core/Tag"
import * as fc from "fast-check"
import { record } from "../internal/record.js"

/**
 * Generates digests, also with algorithms that cannot be verified.
 *
 * @since 0.1.0
 * @category names
 */
export const digest: fc.Arbitrary<Digest.Digest> = fc.oneof(
  { weight: 5, arbitrary: fc.stringMatching(/^sha256:[0-9a-f]{64}$/) },
  { weight: 2, arbitrary: fc.stringMatching(/^sha512:[0-9a-f]{128}$/) },
  { weight: 1, arbitrary: fc.stringMatching(/^(blake3:[0-9a-f]{64}|(md5|sha256\+b64u):[a-zA-Z0-9=_-]{1,40})$/) }
).map(Digest.make)

/**
 * Generates repository names, also long ones and ones that contain words of API paths.
 *
 * @since 0.1.0
 * @category names
 */
export const repositoryName: fc.Arbitrary<RepositoryName.RepositoryName> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.array(
      fc.oneof(
        { weight: 3, arbitrary: fc.stringMatching(/^[a-z0-9]{1,5}((\.|_|__|-{1,3})[a-z0-9]{1,4}){0,2}$/) },
        { weight: 1, arbitrary: fc.constantFrom("v2", "blobs", "uploads", "manifests", "tags", "list", "referrers") }
      ),
      { minLength: 1, maxLength: 4 }
    ).map((components) => components.join("/"))
  },
  { weight: 1, arbitrary: fc.stringMatching(/^[a-z0-9]{120}\/[a-z0-9]{134}$/) }
).map(RepositoryName.make)

/**
 * Generates tags, also of the maximum length.
 *
 * @since 0.1.0
 * @category names
 */
export const tag: fc.Arbitrary<Tag.Tag> = fc.oneof(
  { weight: 6, arbitrary: fc.stringMatching(/^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,12}$/) },
  { weight: 2, arbitrary: fc.constantFrom("latest", "list", "uploads", "_", `sha256-${"0".repeat(64)}`) },
  { weight: 1, arbitrary: fc.stringMatching(/^[a-zA-Z0-9_][a-zA-Z0-9._-]{127}$/) }
).map(Tag.make)

/**
 * Generates references to a manifest in its repository: a tag or a digest.
 *
 * @since 0.1.0
 * @category names
 */
export const tagOrDigest: fc.Arbitrary<Operation.TagOrDigest> = fc.oneof(tag, digest)

/**
 * Generates hosts of registries, in canonical form.
 *
 * @since 0.1.0
 * @category names
 */
export const host: fc.Arbitrary<string> = fc.oneof(
  fc.stringMatching(/^[a-z]{1,5}(-[a-z0-9]{1,3})?(\.[a-z]{1,5}){1,2}(:[1-9][0-9]{0,3})?$/),
  fc.constantFrom("docker.io", "localhost", "localhost:5000", "127.0.0.1:5000", "[::1]:5000")
)

/**
 * Generates references.
 *
 * @since 0.1.0
 * @category names
 */
export const reference: fc.Arbitrary<Reference.Reference> = record<Parameters<typeof Reference.make>[0]>(
  { registry: host, repository: repositoryName },
  { tag, digest }
).map(Reference.make)

/**
 * Generates ids of upload sessions, with any characters.
 *
 * @since 0.1.0
 * @category names
 */
export const uploadId: fc.Arbitrary<string> = fc.oneof(
  fc.uuid(),
  fc.string({ unit: "grapheme", minLength: 1, maxLength: 12 })
)
