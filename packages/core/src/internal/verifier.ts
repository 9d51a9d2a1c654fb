import * as Either from "effect/Either"
import * as Digest from "../Digest.js"
import { DigestInvalid, digestMismatch, SizeInvalid } from "../RegistryError.js"
import type { ErrorFields } from "./errorClass.js"

/**
 * What content must turn out to be: its digest and, if known, its size in bytes.
 *
 * @since 0.1.0
 * @category models
 */
export interface Expected {
  readonly digest: Digest.Digest
  readonly size?: number | undefined
}

/**
 * Counts and hashes content as it passes. `update` answers as soon as there is too much of it, and judges the digest
 * with the last byte, so that this byte need not be passed on where the digest is wrong; `end` judges what came.
 */
export interface Verifier {
  readonly update: (chunk: Uint8Array) => DigestInvalid | SizeInvalid | undefined
  readonly end: () => DigestInvalid | SizeInvalid | undefined
}

/** Content cannot be checked against a digest of this algorithm. */
export const unsupported = (digest: Digest.Digest, asked?: ErrorFields): DigestInvalid =>
  new DigestInvalid({
    reference: digest,
    ...asked,
    reason: `digest algorithm "${Digest.algorithm(digest)}" is not supported`
  })

/** Content ended too soon. */
export const tooShort = (actual: number, expected: number, asked?: ErrorFields): SizeInvalid =>
  new SizeInvalid({ ...asked, reason: `content ended after ${actual} of the ${expected} bytes expected` })

/** Content does not end where it should. */
const tooLong = (expected: number, asked?: ErrorFields): SizeInvalid =>
  new SizeInvalid({ ...asked, reason: `content is longer than the ${expected} bytes expected` })

/**
 * A verifier of content that says itself that it has `declared` bytes, if it says so; or why there is no need to look
 * at the content. `asked` is what an error tells besides.
 */
export const make = (
  expected: Expected,
  declared: number | undefined,
  asked: ErrorFields | undefined
): Either.Either<Verifier, DigestInvalid | SizeInvalid> => {
  const { digest } = expected
  const size = expected.size ?? declared
  const algorithm = Digest.verifiable(digest)
  if (algorithm === undefined) return Either.left(unsupported(digest, asked))
  const fields = { reference: digest, ...asked }
  if (size !== undefined && declared !== undefined && declared !== size) {
    return Either.left(declared > size ? tooLong(size, fields) : tooShort(declared, size, fields))
  }
  const hasher = Digest.hasher(algorithm)
  let received = 0
  let judged = false
  const judge = () => {
    judged = true
    const actual = hasher.digest()
    return actual === digest ? undefined : digestMismatch(digest, actual, asked)
  }
  return Either.right({
    update: (chunk) => {
      if (chunk.byteLength === 0) return undefined
      received += chunk.byteLength
      if (size !== undefined && received > size) return tooLong(size, fields)
      hasher.update(chunk)
      return received === size ? judge() : undefined
    },
    end: () => {
      if (judged) return undefined
      return size !== undefined && received !== size ? tooShort(received, size, fields) : judge()
    }
  })
}
