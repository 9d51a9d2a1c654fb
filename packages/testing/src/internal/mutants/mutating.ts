import type { Received, Sent } from "@effect-oci/conformance/Target"
import type { Handler, Table } from "@effect-oci/core/Handler"
import { override } from "@effect-oci/core/Handler"
import * as Manifest from "@effect-oci/core/Manifest"
import type { Middleware } from "@effect-oci/core/Middleware"
import * as Operation from "@effect-oci/core/Operation"
import * as RegistryError from "@effect-oci/core/RegistryError"
import * as Link from "@effect-oci/protocol/Link"
import * as Route from "@effect-oci/protocol/Route"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { Send } from "../../Mutant.js"

/** Building blocks of mutants: changes of requests and responses on the wire, and wrappers of a handler. */

type OneOrMore<A> = A | ReadonlyArray<A>

const includes = <A>(wanted: OneOrMore<A> | undefined, found: A): boolean =>
  wanted === undefined || (Array.isArray(wanted) ? wanted.includes(found) : wanted === found)

/** Selects requests by their method and route. */
export interface RequestFilter {
  readonly method?: OneOrMore<string>
  /** `undefined` selects paths outside the API. */
  readonly route?: OneOrMore<Route.RouteTag | undefined>
  readonly where?: (sent: Sent) => boolean
}

/** Selects responses by their request and their status. */
export interface ResponseFilter extends RequestFilter {
  readonly status?: OneOrMore<number>
}

type Wired = (send: Send) => Send

export type Change = (received: Received) => Received

export const routeOf = (sent: Sent): Route.Route | undefined => Route.parse(sent.path.split("?")[0] ?? "")

const matches = (filter: RequestFilter, sent: Sent): boolean =>
  includes(filter.method, sent.method) && includes(filter.route, routeOf(sent)?._tag) && (filter.where?.(sent) ?? true)

/** Changes the selected changeResponses. */
export const changeResponses = (filter: ResponseFilter, ...changes: ReadonlyArray<Change>): Wired => (send) => (sent) =>
  matches(filter, sent)
    ? Effect.map(send(sent), (received) =>
      includes(filter.status, received.status)
        ? changes.reduce((changed, change) => change(changed), received)
        : received)
    : send(sent)

/** Changes the selected requests. The response still refers to the original request. */
export const changeRequests = (filter: RequestFilter, change: (sent: Sent) => Sent): Wired => (send) => (sent) =>
  matches(filter, sent) ? Effect.map(send(change(sent)), (received) => ({ ...received, sent })) : send(sent)

/** Responds to the selected requests without the registry. */
export const respondInstead =
  (filter: RequestFilter, respond: (sent: Sent, send: Send) => ReturnType<Send>): Wired => (send) => (sent) =>
    matches(filter, sent) ? respond(sent, send) : send(sent)

export const status = (status: number): Change => (received) => ({ ...received, status })

/** Sets or removes a header. */
export const header = (
  name: string,
  value: string | ((current: string | undefined, received: Received) => string | undefined) | undefined
): Change =>
(received) => ({
  ...received,
  headers: {
    ...received.headers,
    [name]: typeof value === "function" ? value(received.headers[name], received) : value
  }
})

/** Replaces the body, and sets its length. */
export const body = (change: (body: Uint8Array, received: Received) => Uint8Array | string): Change => (received) => {
  const changed = change(received.body, received)
  const bytes = typeof changed === "string" ? new TextEncoder().encode(changed) : changed
  return { ...received, body: bytes, headers: { ...received.headers, "content-length": String(bytes.byteLength) } }
}

type Fields = { readonly [name: string]: unknown }

/** Parses bytes as a JSON object, if they are one. */
export const fieldsOf = (bytes: Uint8Array): Fields =>
  Either.getOrElse(Either.try(() => JSON.parse(new TextDecoder().decode(bytes)) as Fields), () => ({}))

/** Changes a JSON body. */
export const json = (change: (fields: Fields, received: Received) => unknown): Change =>
  body((bytes, received) => JSON.stringify(change(fieldsOf(bytes), received)))

/** Changes the items of a list in the body. */
export const items = <A>(key: string, change: (items: ReadonlyArray<A>) => unknown): Change =>
  json((fields) => ({ ...fields, [key]: change(fields[key] as ReadonlyArray<A>) }))

/** Creates an error response in the form of the spec. */
export const error = (code: number, name: string): Change => (received) => ({
  ...received,
  status: code,
  headers: { "content-type": "application/json" },
  body: received.sent.method === "HEAD"
    ? new Uint8Array(0)
    : new TextEncoder().encode(JSON.stringify({ errors: [{ code: name }] }))
})

/** Changes the code of the first error in the body. */
export const code = (name: string): Change => json(() => ({ errors: [{ code: name }] }))

export const queryOf = (sent: Sent): URLSearchParams => new URL(sent.path, "http://registry.invalid").searchParams

/** Changes the query. */
export const query = (change: (query: URLSearchParams) => void) => (sent: Sent): Sent => {
  const parameters = queryOf(sent)
  change(parameters)
  const path = sent.path.split("?")[0] ?? ""
  return { ...sent, path: parameters.size === 0 ? path : `${path}?${parameters}` }
}

export const hasParameter = (parameter: string) => (sent: Sent): boolean => queryOf(sent).has(parameter)

/** Returns a page of a list whose pages are counted from its start, and that skips `gap` items between two pages. */
export const byOffset =
  (key: string, list: ReadonlyArray<unknown>, path: string, offset: number, size: number, gap = 0): Change =>
  (received) => {
    const end = offset + size
    const page = items(key, () => list.slice(offset, end))(received)
    const link = list.length > end ? Link.format(`${path}?n=${size}&offset=${end + gap}`) : undefined
    return header("link", link)(page)
  }

/** Overrides some operations. `rows` receives the correct handler and returns the incorrect operations. */
export const rows = (make: (next: Handler) => Partial<Table>): Middleware => (next) => override(next, make(next))

/** Returns a key for content in a repository. */
export const keyOf = ({ repository }: { readonly repository: string }, reference: string): string =>
  `${repository}@${reference}`

/** Changes the fields of a push. */
export const changed = (
  operation: Operation.PushManifest,
  fields: Partial<Operation.PushManifest>
): Operation.PushManifest => new Operation.PushManifest({ ...operation, ...fields })

/** Returns the tags of a push that exist already. */
export const existingTags = (next: Handler, { repository, tags }: Operation.PushManifest) =>
  Effect.filter(tags, (reference) =>
    Effect.match(next(new Operation.ResolveManifest({ repository, reference })), {
      onFailure: () => false,
      onSuccess: () => true
    }))

/** Creates an error of a class for an operation. */
export const refused = <E extends RegistryError.RegistryError>(
  Class: new(fields: RegistryError.ErrorFields) => E,
  operation: Operation.Operation
): Effect.Effect<never, E> => Effect.fail(new Class(Operation.errorFields(operation)))

/** Refuses the manifests that match. */
export const refusesManifests = (
  isRefused: (fields: Fields, operation: Operation.PushManifest) => boolean,
  Class: new(fields: RegistryError.ErrorFields) => RegistryError.RegistryError = RegistryError.ManifestInvalid
): Middleware =>
  rows((next) => ({
    PushManifest: (operation) =>
      isRefused(fieldsOf(operation.bytes), operation) ? refused(Class, operation) : next(operation)
  }))

/** Stores manifests that the registry refuses, and serves them, as a registry that never parses manifests. */
export const unread = (next: Handler) => {
  const kept = new Map<string, Manifest.Manifest>()
  const rows = {
    GetManifest: (operation) => {
      const found = kept.get(keyOf(operation, operation.reference))
      return found === undefined ? next(operation) : Effect.succeed(found)
    },
    ResolveManifest: (operation) => {
      const found = kept.get(keyOf(operation, operation.reference))
      return found === undefined ? next(operation) : Effect.succeed(found.descriptor)
    },
    DeleteManifest: (operation) => {
      for (const [key, { descriptor }] of kept) if (descriptor.digest === operation.digest) kept.delete(key)
      return next(operation)
    }
  } satisfies Partial<Table>
  const keep = (operation: Operation.PushManifest) =>
    Effect.map(Manifest.make(operation), (manifest): Operation.PushedManifest => {
      const { descriptor } = manifest
      for (const reference of [descriptor.digest, ...operation.tags]) kept.set(keyOf(operation, reference), manifest)
      return { ...descriptor, subject: undefined, tags: operation.tags }
    })
  return { keep, rows }
}

/** Accepts the manifests that match, although the registry must refuse them. */
export const tolerates = (isTaken: (fields: Fields, operation: Operation.PushManifest) => boolean): Middleware =>
  rows((next) => {
    const { keep, rows } = unread(next)
    return {
      ...rows,
      PushManifest: (operation) =>
        Effect.catchIf(
          next(operation),
          ({ _tag }) =>
            (_tag === "OciManifestInvalid" || _tag === "OciUnsupported") &&
            isTaken(fieldsOf(operation.bytes), operation),
          () => keep(operation)
        )
    }
  })

/** Records the bytes received for each upload session, by id. In one process, bodies contain their bytes. */
export const uploadedBytes = () => {
  const chunks = new Map<string, ReadonlyArray<Uint8Array>>()
  const of = (id: string) => chunks.get(id) ?? []
  return {
    append: ({ body, id }: Operation.AppendUpload) => {
      chunks.set(id, [...of(id), body.bytes ?? new Uint8Array(0)])
    },
    whole: (operation: Operation.CompleteUpload | Operation.PushBlob): Uint8Array => {
      const last = operation.body?.bytes ?? new Uint8Array(0)
      return Uint8Array.from(
        [...operation._tag === "PushBlob" ? [] : of(operation.id), last].flatMap((chunk) => [...chunk])
      )
    }
  }
}
