/**
 * Sealed upload ids. A sealed id is bound to the repository where the upload session was started.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Redacted from "effect/Redacted"
import { fail, map } from "./Answer.js"
import { builtOn } from "./Handler.js"
import * as hmac from "./internal/hmac.js"
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
 * A key that signs ids: at least 16 random characters. Of several keys, the first signs, and all verify. Processes that
 * accept each other's ids share the keys.
 *
 * To replace a key without refusing an id: add the new key at the end in all processes, then move it to the front in all
 * processes, and remove the old key when the upload sessions have ended that were opened with it.
 *
 * @since 0.1.0
 * @category models
 */
export type Key = Redacted.Redacted<string> | readonly [Redacted.Redacted<string>, ...Array<Redacted.Redacted<string>>]

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
  /** The key that signs the ids. Default: a random key. */
  readonly key?: Key | undefined
}

/** The first 128 bits of the signature: an attacker cannot guess them, and the id stays short. */
const signatureBytes = 16

/** The length of these bytes in base64url, in characters. */
const signatureLength = Math.ceil((signatureBytes * 4) / 3)

/**
 * Creates a sealer for the ids of one issuer. Throws a `RangeError` if a key is empty.
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
  const [secret, ...others] = secretsOf(key)
  const first = hmac.make(secret)
  const all = [first, ...others.map(hmac.make)]
  const signature = (sign: hmac.Sign, { caller, repository }: Owner, id: string): string => {
    const signed = sign(utf8(JSON.stringify([issuer, repository, caller ?? null, id])))
    return Encoding.encodeBase64Url(hmac.bytesOf(signed.slice(0, 2 * signatureBytes)))
  }
  return {
    seal: (owner, id) => `${signature(first, owner, id)}.${id}`,
    open: (owner, sealed) => {
      if (sealed[signatureLength] !== ".") return undefined
      const id = sealed.slice(signatureLength + 1)
      const given = sealed.slice(0, signatureLength)
      return all.some((sign) => equal(given, signature(sign, owner, id))) ? id : undefined
    }
  }
}

const secretsOf = (key: Key | undefined): readonly [Uint8Array, ...Array<Uint8Array>] => {
  if (key === undefined) return [randomBytes()]
  const [first, ...others] = Redacted.isRedacted(key) ? [key] : key
  return [secretOf(first), ...others.map(secretOf)]
}

const secretOf = (key: Redacted.Redacted<string>): Uint8Array => {
  const secret = utf8(Redacted.value(key))
  if (secret.byteLength > 0) return secret
  throw new RangeError("uploadKey is empty: give at least 16 random characters, or none")
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
  if (!("id" in operation)) return operation
  const id = ids.open({ repository: operation.repository, caller }, operation.id)
  return id === undefined ? undefined : Operation.withUploadId(operation as O & Operation.UploadOperation, id)
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
  const map = (mapId as { readonly [tag: string]: MapId<unknown> | undefined })[operation._tag]
  if (map === undefined) return result
  const { repository } = operation as Operation.OperationOf<keyof typeof mapId>
  return map(result, (id) => ids.seal({ repository, caller }, id)) as typeof result
}

type MapId<A> = (result: A, f: (id: string) => string) => A

const mapUploadId: MapId<Operation.Upload> = (upload, f) => ({ ...upload, id: f(upload.id) })

/** Maps the upload id in the results that contain an upload session. A missing row does not compile. */
const mapId: {
  readonly [
    Tag in Operation.OperationTag as Extract<
      Operation.Results[Tag],
      Operation.Upload | Operation.UploadStarted
    > extends infer Started ? [Started] extends [never] ? never : Tag : never
  ]: MapId<Operation.Results[Tag]>
} = {
  MountBlob: (result, f) =>
    result._tag === "Mounted" ? result : new Operation.UploadStarted({ upload: mapUploadId(result.upload, f) }),
  StartUpload: mapUploadId,
  GetUpload: mapUploadId,
  AppendUpload: mapUploadId
}

/**
 * Seals the upload ids of a registry. An id of an upload session in one repository fails with `BlobUploadUnknown` in
 * any other repository. A wrapper that restricts access to repositories therefore cannot be bypassed with an upload id
 * from another repository.
 *
 * @since 0.1.0
 * @category middleware
 */
export const middleware = (ids: UploadIds): Middleware => (next) =>
  builtOn((operation) => {
    const opened = openOperation(ids, operation)
    return opened === undefined
      ? fail(new BlobUploadUnknown(Operation.errorFields(operation)))
      : map(next(opened), (result) => sealResult(ids, operation, result))
  }, next)

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)

const randomBytes = (): Uint8Array => crypto.getRandomValues(new Uint8Array(32))

/** Compares in constant time, so that a caller cannot guess a signature one character at a time. */
const equal = (a: string, b: string): boolean => {
  if (a.length !== b.length) return false
  let difference = 0
  for (let i = 0; i < a.length; i++) difference |= a.charCodeAt(i) ^ b.charCodeAt(i)
  return difference === 0
}
