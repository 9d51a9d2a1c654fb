import * as Either from "effect/Either"
import * as Digest from "../Digest.js"
import type { ErrorFields } from "../ErrorFields.js"
import { DigestInvalid, digestMismatch, SizeInvalid } from "../RegistryError.js"
import type { RegistryError } from "../RegistryError.js"

/**
 * The expected content: its digest and, if known, its size in bytes.
 *
 * @since 0.1.0
 * @category models
 */
export interface Expected {
  readonly digest: Digest.Digest
  readonly size?: number | undefined
}

/**
 * Counts and hashes content as it flows. `update` returns an error as soon as there are too many bytes. It compares the
 * digest together with the last byte, so that this byte is not passed on if the digest is wrong. `end` checks the
 * complete content.
 */
export interface Verifier {
  readonly update: (chunk: Uint8Array) => DigestInvalid | SizeInvalid | undefined
  readonly end: () => DigestInvalid | SizeInvalid | undefined
}

/** Returns the error for a digest whose algorithm is not supported. */
export const unsupported = (digest: Digest.Digest, fields?: ErrorFields): DigestInvalid =>
  new DigestInvalid({
    reference: digest,
    ...fields,
    reason: `digest algorithm "${Digest.algorithm(digest)}" is not supported`
  })

/** Returns the message for content that ends too early. */
export const tooShort = (actual: number, expected: number): string =>
  `content ended after ${actual} of the ${expected} bytes expected`

/** Returns the message for content that is too long. */
const tooLong = (expected: number): string => `content is longer than the ${expected} bytes expected`

/** Creates a verifier of the size only. */
export const counter = (size: number, onWrong: (reason: string) => RegistryError) => {
  let received = 0
  return {
    update: (chunk: Uint8Array) => {
      received += chunk.byteLength
      return received > size ? onWrong(tooLong(size)) : undefined
    },
    end: () => received < size ? onWrong(tooShort(received, size)) : undefined
  }
}

/**
 * Creates a verifier for content that declares a size of `declared` bytes, if known. Returns an error if the content is
 * known to be wrong without reading it. `fields` adds fields to errors.
 */
export const make = (
  expected: Expected,
  declared: number | undefined,
  fields: ErrorFields | undefined
): Either.Either<Verifier, DigestInvalid | SizeInvalid> => {
  const { digest } = expected
  const size = expected.size ?? declared
  const algorithm = Digest.verifiable(digest)
  if (algorithm === undefined) return Either.left(unsupported(digest, fields))
  const wrongSize = (reason: string) => new SizeInvalid({ reference: digest, ...fields, reason })
  if (size !== undefined && declared !== undefined && declared !== size) {
    return Either.left(wrongSize(declared > size ? tooLong(size) : tooShort(declared, size)))
  }
  const hasher = Digest.hasher(algorithm)
  let received = 0
  let judged = false
  const judge = () => {
    judged = true
    const actual = hasher.digest()
    return actual === digest ? undefined : digestMismatch(digest, actual, fields)
  }
  return Either.right({
    update: (chunk) => {
      if (chunk.byteLength === 0) return undefined
      received += chunk.byteLength
      if (size !== undefined && received > size) return wrongSize(tooLong(size))
      hasher.update(chunk)
      return received === size ? judge() : undefined
    },
    end: () => {
      if (judged) return undefined
      return size !== undefined && received !== size ? wrongSize(tooShort(received, size)) : judge()
    }
  })
}
