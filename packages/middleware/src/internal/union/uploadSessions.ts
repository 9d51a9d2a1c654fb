import { RegistryError, UploadIds } from "@effect-oci/core"
import type { RepositoryName } from "@effect-oci/core"

/** The state of an upload at one member. */
export type Session =
  /** The upload session is open. `id` is the id of the member. */
  | { readonly _tag: "Open"; readonly member: number; readonly id: string; readonly offset: number }
  /** The member has the blob. */
  | { readonly _tag: "Done"; readonly member: number }
  /** The member has failed, and its session was cancelled. */
  | { readonly _tag: "Failed"; readonly member: number; readonly error: RegistryError.RegistryError }

/** Ids of uploads that contain the upload sessions of several members. They are signed and valid for one repository. */
export interface UploadSessions {
  readonly seal: (repository: RepositoryName.RepositoryName, sessions: ReadonlyArray<Session>) => string
  /** Returns the sessions, or `undefined` if the id was not sealed for this repository. */
  readonly open: (repository: RepositoryName.RepositoryName, id: string) => ReadonlyArray<Session> | undefined
}

/** Creates ids that contain the sessions as JSON. A union whose members have other names does not accept these ids. */
export const make = (
  names: ReadonlyArray<string>,
  key: UploadIds.Key | undefined
): UploadSessions => {
  const ids = UploadIds.make({ issuer: ["union", ...names], key })
  return {
    seal: (repository, sessions) => ids.seal({ repository }, JSON.stringify(sessions.map(written))),
    open: (repository, id) => {
      const text = ids.open({ repository }, id)
      return text === undefined ? undefined : (JSON.parse(text) as ReadonlyArray<Written>).map(read)
    }
  }
}

/** A session in the form in which an id contains it. It needs no validation, because the id is signed. */
type Written =
  | readonly [member: number]
  | readonly [member: number, id: string, offset: number]
  | readonly [member: number, error: Failure]

interface Failure {
  readonly tag: string
  readonly reason?: string | undefined
  readonly status?: number | undefined
}

/** The maximum length of a reason in an id, because an id is part of a URL. */
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

/** The errors without additional fields. */
const plain: { readonly [tag: string]: Plain | undefined } = {
  __proto__: null as never,
  OciBlobUploadInvalid: RegistryError.BlobUploadInvalid,
  OciBlobUploadUnknown: RegistryError.BlobUploadUnknown,
  OciBodyFailed: RegistryError.BodyFailed,
  OciCredentialError: RegistryError.CredentialError,
  OciDenied: RegistryError.Denied,
  OciDigestInvalid: RegistryError.DigestInvalid,
  OciNameUnknown: RegistryError.NameUnknown,
  OciRangeInvalid: RegistryError.RangeInvalid,
  OciResponseInvalid: RegistryError.ResponseInvalid,
  OciSizeInvalid: RegistryError.SizeInvalid,
  OciTooManyRequests: RegistryError.TooManyRequests,
  OciTransportError: RegistryError.TransportError,
  OciUnauthorized: RegistryError.Unauthorized,
  OciUnavailable: RegistryError.Unavailable,
  OciUnsupported: RegistryError.Unsupported
}

const failure = ({ reason, status, tag }: Failure): RegistryError.RegistryError => {
  const Class = plain[tag]
  return Class === undefined
    ? new RegistryError.UnknownCode({ code: tag, reason, status })
    : new Class({ reason, status })
}
