import { RegistryError } from "@effect-oci/core"
import type { RepositoryName } from "@effect-oci/core"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Redacted from "effect/Redacted"

/** How far an upload is at one member. */
export type Session =
  /** It goes on: by the member's own id, at which offset. */
  | { readonly _tag: "Open"; readonly member: number; readonly id: string; readonly offset: number }
  /** The member has the blob. */
  | { readonly _tag: "Done"; readonly member: number }
  /** The member has failed, and its session was given up. */
  | { readonly _tag: "Failed"; readonly member: number; readonly error: RegistryError.RegistryError }

/** Ids that carry the sessions of several members, signed, for one repository. */
export interface UploadSessions {
  readonly seal: (
    repository: RepositoryName.RepositoryName,
    sessions: ReadonlyArray<Session>
  ) => Effect.Effect<string>
  /** The sessions, or `undefined` where the id was not sealed so for this repository. */
  readonly open: (
    repository: RepositoryName.RepositoryName,
    id: string
  ) => Effect.Effect<ReadonlyArray<Session> | undefined>
}

const algorithm = { name: "HMAC", hash: "SHA-256" }

/** An id is its signature, a dot, and the sessions as JSON. `names` are those of the members, for whom alone it is good. */
export const make = (
  names: ReadonlyArray<string>,
  key: Redacted.Redacted<string> | undefined
): UploadSessions => {
  const secret = key === undefined
    ? crypto.getRandomValues(new Uint8Array(32))
    : new TextEncoder().encode(Redacted.value(key))
  if (secret.byteLength === 0) throw new RangeError("uploadKey is empty: give at least 16 random characters, or none")
  let imported: Promise<CryptoKey> | undefined
  const use = <A>(f: (key: CryptoKey) => Promise<A>): Effect.Effect<A> =>
    Effect.promise(() => {
      imported ??= crypto.subtle.importKey("raw", secret, algorithm, false, ["sign", "verify"])
      return imported.then(f)
    })
  const signed = (repository: string, sessions: string) =>
    new TextEncoder().encode(JSON.stringify([names, repository, sessions]))

  return {
    seal: (repository, sessions) => {
      const text = JSON.stringify(sessions.map(written))
      return Effect.map(
        use((key) => crypto.subtle.sign("HMAC", key, signed(repository, text))),
        (signature) => `${Encoding.encodeBase64Url(new Uint8Array(signature))}.${text}`
      )
    },
    open: (repository, id) => {
      const dot = id.indexOf(".")
      const signature = Either.getOrUndefined(Encoding.decodeBase64Url(id.slice(0, Math.max(0, dot))))
      if (signature === undefined) return Effect.succeed(undefined)
      const text = id.slice(dot + 1)
      return Effect.map(
        use((key) => crypto.subtle.verify("HMAC", key, new Uint8Array(signature), signed(repository, text))),
        (good) => good ? (JSON.parse(text) as ReadonlyArray<Written>).map(read) : undefined
      )
    }
  }
}

/** A session in an id: it was written here, or it would not be read. */
type Written =
  | readonly [member: number]
  | readonly [member: number, id: string, offset: number]
  | readonly [member: number, error: Failure]

interface Failure {
  readonly tag: string
  readonly reason?: string | undefined
  readonly status?: number | undefined
}

/** A URL has room for so much of why a member failed. */
const longestReason = 200

const written = (session: Session): Written => {
  switch (session._tag) {
    case "Open":
      return [session.member, session.id, session.offset]
    case "Done":
      return [session.member]
    case "Failed": {
      const { _tag, reason, status } = session.error
      return [session.member, { tag: _tag, reason: reason?.slice(0, longestReason), status }]
    }
  }
}

const read = ([member, what, offset]: Written): Session => {
  if (what === undefined) return { _tag: "Done", member }
  return typeof what === "string"
    ? { _tag: "Open", member, id: what, offset: offset ?? 0 }
    : { _tag: "Failed", member, error: failure(what) }
}

type Plain = new(fields: RegistryError.ErrorFields) => RegistryError.RegistryError

/** The failures that say no more than every error can. */
const plain: { readonly [tag: string]: Plain | undefined } = {
  __proto__: null as never,
  BlobUploadInvalid: RegistryError.BlobUploadInvalid,
  BlobUploadUnknown: RegistryError.BlobUploadUnknown,
  BodyFailed: RegistryError.BodyFailed,
  CredentialError: RegistryError.CredentialError,
  Denied: RegistryError.Denied,
  DigestInvalid: RegistryError.DigestInvalid,
  NameUnknown: RegistryError.NameUnknown,
  RangeInvalid: RegistryError.RangeInvalid,
  ResponseInvalid: RegistryError.ResponseInvalid,
  SizeInvalid: RegistryError.SizeInvalid,
  TooManyRequests: RegistryError.TooManyRequests,
  TransportError: RegistryError.TransportError,
  Unauthorized: RegistryError.Unauthorized,
  Unavailable: RegistryError.Unavailable,
  Unsupported: RegistryError.Unsupported
}

const failure = ({ reason, status, tag }: Failure): RegistryError.RegistryError => {
  const Class = plain[tag]
  return Class === undefined
    ? new RegistryError.UnknownCode({ code: tag, reason, status })
    : new Class({ reason, status })
}
