import * as Digest from "../Digest.js"
import { DigestInvalid, SizeInvalid } from "../RegistryError.js"

/** What content must turn out to be. */
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

export const make = (expected: Expected): Verifier | DigestInvalid => {
  const algorithm = Digest.verifiable(expected.digest)
  if (algorithm === undefined) {
    return new DigestInvalid({
      reference: expected.digest,
      reason: `content cannot be verified: digest algorithm "${Digest.algorithm(expected.digest)}" is not supported`
    })
  }
  const hasher = Digest.hasher(algorithm)
  const { digest, size } = expected
  let received = 0
  let judged = false
  const judge = () => {
    judged = true
    const actual = hasher.digest()
    return actual === digest ? undefined : new DigestInvalid({
      reference: digest,
      reason: `content does not match its digest: it has ${actual}, expected is ${digest}`
    })
  }
  const wrongSize = (reason: string) => new SizeInvalid({ reference: digest, reason })
  return {
    update: (chunk) => {
      if (chunk.byteLength === 0) return undefined
      received += chunk.byteLength
      if (size !== undefined && received > size) return wrongSize(`content is longer than the ${size} bytes expected`)
      hasher.update(chunk)
      return received === size ? judge() : undefined
    },
    end: () => {
      if (judged) return undefined
      if (size !== undefined && received !== size) {
        return wrongSize(`content ended after ${received} of the ${size} bytes expected`)
      }
      return judge()
    }
  }
}

/** Whether content can not be judged at all. */
export const isRefused = (verifier: Verifier | DigestInvalid): verifier is DigestInvalid =>
  verifier instanceof DigestInvalid
