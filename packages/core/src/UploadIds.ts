/**
 * Sealed upload ids. A sealed id is bound to the repository where the upload session was started.
 *
 * @since 0.1.0
 */
import { hmac } from "@noble/hashes/hmac.js"
import { sha256 } from "@noble/hashes/sha2.js"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Exit from "effect/Exit"
import * as Redacted from "effect/Redacted"
import { matchEffect, override } from "./Handler.js"
import type { Row } from "./Handler.js"
import type { Middleware } from "./Middleware.js"
import * as Operation from "./Operation.js"
import { BlobUploadUnknown } from "./RegistryError.js"
import type { RepositoryName } from "./RepositoryName.js"

/**
 * The owner of an upload id: the repository where the upload session was started and, if `caller` is set, the caller
 * who started it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Owner {
  readonly repository: RepositoryName
  readonly caller?: string | undefined
}

/**
 * Seals and opens ids. A sealed id consists of a signature, a dot, and the original id.
 *
 * @since 0.1.0
 * @category models
 */
export interface UploadIds {
  /** Returns a sealed id, which `open` accepts only for this owner. */
  readonly seal: (owner: Owner, id: string) => string
  /**
   * Returns the original id, or `undefined` if the text was not sealed for this owner, by this issuer, with this key.
   */
  readonly open: (owner: Owner, sealed: string) => string | undefined
}

/**
 * Options for {@link make}.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /**
   * The name of the issuer of the ids, such as a server, or a client and the origin of its registry. Issuers that share
   * a key do not accept each other's ids.
   */
  readonly issuer: ReadonlyArray<string>
  /** The key that signs the ids: at least 16 random characters. Default: a random key. */
  readonly key?: Redacted.Redacted<string> | undefined
}

/** The first 128 bits of the signature: an attacker cannot guess them, and the id stays short. */
const signatureBytes = 16

/** The length of these bytes in base64url, in characters. */
const signatureLength = Math.ceil((signatureBytes * 4) / 3)

/**
 * Creates a sealer for the ids of one issuer. Throws a `RangeError` if the key is empty.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { RepositoryName, UploadIds } from "@effect-oci/core"
 * import { Redacted } from "effect"
 * import * as assert from "node:assert"
 *
 * const ids = UploadIds.make({ issuer: ["docs"], key: Redacted.make("a key of 16 characters or more") })
 * const repository = RepositoryName.make("team/app")
 * const sealed = ids.seal({ repository }, "upload-1")
 *
 * assert.equal(ids.open({ repository }, sealed), "upload-1")
 * assert.equal(ids.open({ repository: RepositoryName.make("team/other") }, sealed), undefined)
 * ```
 */
export const make = ({ issuer, key }: Options): UploadIds => {
  const secret = key === undefined ? randomBytes() : utf8(Redacted.value(key))
  if (secret.byteLength === 0) {
    throw new RangeError("uploadKey is empty: give at least 16 random characters, or none")
  }
  const signature = ({ caller, repository }: Owner, id: string): string =>
    Encoding.encodeBase64Url(
      hmac(sha256, secret, utf8(JSON.stringify([issuer, repository, caller ?? null, id]))).subarray(0, signatureBytes)
    )
  return {
    seal: (owner, id) => `${signature(owner, id)}.${id}`,
    open: (owner, sealed) => {
      if (sealed[signatureLength] !== ".") return undefined
      const id = sealed.slice(signatureLength + 1)
      return equal(sealed.slice(0, signatureLength), signature(owner, id)) ? id : undefined
    }
  }
}

/**
 * The maximum length of an id in a URL, in characters. Servers limit the size of request heads, so they refuse longer
 * ids anyway.
 */
const maxUrlSafeLength = 8192

/**
 * Returns a sealer whose ids can be used as a path segment: the sealed text in base64url. `open` refuses ids of more
 * than 8192 characters.
 *
 * @since 0.1.0
 * @category combinators
 */
export const urlSafe = (ids: UploadIds): UploadIds => ({
  seal: (owner, id) => Encoding.encodeBase64Url(ids.seal(owner, id)),
  open: (owner, sealed) => {
    if (sealed.length > maxUrlSafeLength) return undefined
    const text = Either.getOrUndefined(Encoding.decodeBase64UrlString(sealed))
    // Several texts decode to the same bytes. Accept only the one that `seal` returns.
    return text === undefined || Encoding.encodeBase64Url(text) !== sealed ? undefined : ids.open(owner, text)
  }
})

/**
 * Returns the operation with the original upload id, or `undefined` if its id was not sealed for this repository and
 * caller. An operation without an upload id is returned unchanged.
 *
 * @since 0.1.0
 * @category combinators
 */
export const openOperation = <O extends Operation.Operation>(
  ids: UploadIds,
  operation: O,
  caller?: string
): O | undefined => {
  switch (operation._tag) {
    case "GetUpload":
    case "AppendUpload":
    case "CompleteUpload":
    case "CancelUpload": {
      const id = ids.open({ repository: operation.repository, caller }, operation.id)
      return id === undefined ? undefined : Operation.withUploadId(operation, id) as O
    }
    default:
      return operation
  }
}

/**
 * Returns the result of an operation with its upload id sealed for the operation's repository and this caller. A result
 * without an upload id is returned unchanged.
 *
 * @since 0.1.0
 * @category combinators
 */
export const sealResult = <O extends Operation.Operation>(
  ids: UploadIds,
  operation: O,
  result: Operation.ResultOf<O>,
  caller?: string
): Operation.ResultOf<O> => {
  switch (operation._tag) {
    case "StartUpload":
    case "GetUpload":
    case "AppendUpload": {
      const upload = result as Operation.Upload
      return { ...upload, id: ids.seal({ repository: operation.repository, caller }, upload.id) } as typeof result
    }
    case "MountBlob": {
      const mounted = result as Operation.ResultOf<Operation.MountBlob>
      if (mounted._tag === "Mounted") return result
      const { upload } = mounted
      const id = ids.seal({ repository: operation.repository, caller }, upload.id)
      return new Operation.UploadStarted({ upload: { ...upload, id } }) as typeof result
    }
    default:
      return result
  }
}

/**
 * Seals the upload ids of a registry. An id of an upload session in one repository fails with `BlobUploadUnknown` in
 * any other repository. A wrapper that restricts access to repositories therefore cannot be bypassed with an upload id
 * from another repository.
 *
 * @since 0.1.0
 * @category middleware
 */
export const middleware = (ids: UploadIds): Middleware => (next) => {
  const opened = <T extends Operation.UploadOperation["_tag"]>(row: Row<T>): Row<T> => (operation) => {
    const own = openOperation(ids, operation)
    return own === undefined ? Exit.fail(new BlobUploadUnknown(Operation.errorFields(operation))) : row(own)
  }
  const sealed =
    <T extends "StartUpload" | "MountBlob" | "GetUpload" | "AppendUpload">(row: Row<T>): Row<T> => (operation) =>
      matchEffect(row(operation), {
        onFailure: Exit.fail,
        onSuccess: (result) => Exit.succeed(sealResult(ids, operation, result as never) as typeof result)
      })
  return override(next, {
    StartUpload: sealed(next),
    MountBlob: sealed(next),
    GetUpload: opened(sealed(next)),
    AppendUpload: opened(sealed(next)),
    CompleteUpload: opened(next),
    CancelUpload: opened(next)
  })
}

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)

const randomBytes = (): Uint8Array => crypto.getRandomValues(new Uint8Array(32))

/** Compares in constant time, so that a caller cannot guess a signature one character at a time. */
const equal = (a: string, b: string): boolean => {
  if (a.length !== b.length) return false
  let difference = 0
  for (let i = 0; i < a.length; i++) difference |= a.charCodeAt(i) ^ b.charCodeAt(i)
  return difference === 0
}
