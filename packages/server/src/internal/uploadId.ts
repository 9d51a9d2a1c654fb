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

/** The longest that is looked at. Longer ones do not get through the limits that servers put on a request's head. */
const maxLength = 8192

export const make = (key: Uint8Array): UploadIds => {
  const sign = (text: string): Uint8Array =>
    hmac(sha256, key, new TextEncoder().encode(text)).subarray(0, signatureBytes)
  const seal: UploadIds["seal"] = (repository, id) =>
    `${Encoding.encodeBase64Url(id)}.${Encoding.encodeBase64Url(sign(`${repository}\0${id}`))}`
  return {
    seal,
    open: (repository, sealed) => {
      const dot = sealed.indexOf(".")
      if (dot < 0 || sealed.length > maxLength) return undefined
      const id = Either.getOrUndefined(Encoding.decodeBase64UrlString(sealed.slice(0, dot)))
      return id !== undefined && equal(sealed, seal(repository, id)) ? id : undefined
    }
  }
}

/** Takes the same time wherever two texts differ. */
const equal = (a: string, b: string): boolean => {
  if (a.length !== b.length) return false
  let difference = 0
  for (let i = 0; i < a.length; i++) difference |= a.charCodeAt(i) ^ b.charCodeAt(i)
  return difference === 0
}

/** A key for one process. */
export const randomKey = (): Uint8Array => crypto.getRandomValues(new Uint8Array(32))
