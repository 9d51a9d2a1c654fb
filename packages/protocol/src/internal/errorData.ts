import * as RegistryError from "@effect-oci/core/RegistryError"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"

type ErrorTag = RegistryError.RegistryError["_tag"]
type ErrorOf<Tag extends ErrorTag> = Extract<RegistryError.RegistryError, { readonly _tag: Tag }>

/**
 * The fields that only this class of error has, except those of a request made by the server itself: a server does not
 * reveal which registries it calls.
 */
type Own<Tag extends ErrorTag> = Omit<
  ErrorOf<Tag>,
  keyof RegistryError.BlobUnknown | Exclude<keyof RegistryError.TransportError, keyof RegistryError.BlobUnknown>
>

/** The errors with additional fields, and these fields as JSON. A missing error or field does not compile. */
type OwnFields = {
  readonly [Tag in ErrorTag as keyof Own<Tag> extends never ? never : Tag]: (
    error: ErrorOf<Tag>,
    size: Size
  ) => { readonly [Field in keyof Own<Tag>]: unknown }
}

/** How much of an error is sent: all of its data, or only what a program acts on. */
export type Size = "whole" | "brief"

/**
 * The maximum length of a reason that is sent, in characters. An error message never shows more than the `whole`
 * length.
 */
export const maxReason: { readonly [S in Size]: number } = { whole: 2048, brief: 200 }

const ownFields: OwnFields = {
  OciSizeInvalid: ({ limit }) => ({ limit }),
  OciRangeInvalid: ({ size }) => ({ size }),
  OciUnknownCode: ({ code }) => ({ code }),
  OciRealmRefused: ({ realm }) => ({ realm: plainUrl(realm) }),
  OciTagConflict: ({ members, tag }) => ({ members, tag }),
  OciPartialFailure: ({ outcomes }, size) => ({
    outcomes: outcomes.map(({ error, name }) => ({
      name,
      error: error === undefined ? undefined : nested(error, size)
    }))
  }),
  OciRefused: ({ by }) => ({ by })
}

/** Returns a URL without its user name, password, query and fragment, because they may contain secrets. */
const plainUrl = (url: string): string =>
  url.replace(/[?#].*$/s, "").replace(/^([a-z][a-z0-9+.-]*:)?\/\/[^/]*@/i, "$1//")

/** Returns an error inside another error as JSON, without its cause, because a cause may contain secrets. */
const nested = (error: RegistryError.RegistryError, size: Size): object => {
  const { operation, reason, reference, registry, repository, retryAfter, status } = error
  return {
    operation,
    repository,
    reference,
    registry,
    status,
    retryAfter,
    reason: reason?.slice(0, maxReason[size]),
    ...write(error, size)
  }
}

/** Returns the tag of an error, the fields that only this class has, and its detail, as JSON. */
export const write = (error: RegistryError.RegistryError, size: Size): object => {
  const fieldsOf = Object.hasOwn(ownFields, error._tag)
    ? ownFields[error._tag as keyof OwnFields] as (error: RegistryError.RegistryError, size: Size) => object
    : undefined
  return { _tag: error._tag, ...fieldsOf?.(error, size), detail: size === "whole" ? error.detail : undefined }
}

const decode = Schema.decodeUnknownOption(RegistryError.schema)

/** The fields that the response provides itself, so they are not part of the error data. */
const ofTheRequest: { readonly [Field in keyof RegistryError.ErrorFields]: undefined } = {
  operation: undefined,
  repository: undefined,
  reference: undefined,
  registry: undefined,
  reason: undefined,
  status: undefined,
  diagnostics: undefined,
  retryAfter: undefined
}

/** Returns the error that `write` converted to JSON. */
export const read = (json: unknown): RegistryError.RegistryError | undefined =>
  Predicate.hasProperty(json, "_tag") ? Option.getOrUndefined(decode({ ...json, ...ofTheRequest })) : undefined
