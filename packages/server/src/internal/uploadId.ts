import type { RepositoryName } from "@effect-oci/core/RepositoryName"
import { hmac } from "@noble/hashes/hmac.js"
import { sha256 } from "@noble/hashes/sha2.js"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"

/**
 * Ids of uploads as they stand in URLs: `id.signature`, both base64url. The signature binds an id to its repository, so
 * that nobody makes up an id, which for a registry behind this one may be a URL to go to, or takes one to another
 * repository.
 */
export interface UploadIds {
  readonly seal: (repository: RepositoryName, id: string) => string
  /** The id, or `undefined` where it was not sealed here for this repository. */
  readonly open: (repository: RepositoryName, sealed: string) => string | undefined
}

/** 128 bits are out of reach of guessing, and keep the URL short. */
const signatureBytes = 16

export const make = (key: Uint8Array): UploadIds => {
  const sign = (repository: RepositoryName, id: string): Uint8Array =>
    hmac(sha256, key, new TextEncoder().encode(`${repository}\0${id}`)).subarray(0, signatureBytes)
  return {
    seal: (repository, id) => `${Encoding.encodeBase64Url(id)}.${Encoding.encodeBase64Url(sign(repository, id))}`,
    open: (repository, sealed) => {
      const dot = sealed.indexOf(".")
      if (dot < 0 || sealed.length > 8192) return undefined
      const opened = Either.all({
        id: Encoding.decodeBase64UrlString(sealed.slice(0, dot)),
        signature: Encoding.decodeBase64Url(sealed.slice(dot + 1))
      })
      if (Either.isLeft(opened)) return undefined
      const { id, signature } = opened.right
      return equal(signature, sign(repository, id)) ? id : undefined
    }
  }
}

/** Takes the same time wherever two signatures differ. */
const equal = (a: Uint8Array, b: Uint8Array): boolean => {
  if (a.byteLength !== b.byteLength) return false
  let difference = 0
  for (let i = 0; i < a.byteLength; i++) difference |= (a[i] ?? 0) ^ (b[i] ?? 0)
  return difference === 0
}

/** A key for one process. */
export const randomKey = (): Uint8Array => crypto.getRandomValues(new Uint8Array(32))
