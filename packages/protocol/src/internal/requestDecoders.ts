import type * as Body from "@effect-oci/core/Body"
import * as Descriptor from "@effect-oci/core/Descriptor"
import type * as Digest from "@effect-oci/core/Digest"
import * as Operation from "@effect-oci/core/Operation"
import * as RegistryError from "@effect-oci/core/RegistryError"
import * as RepositoryName from "@effect-oci/core/RepositoryName"
import * as Tag from "@effect-oci/core/Tag"
import * as Either from "effect/Either"
import { endpoints } from "../Endpoint.js"
import type { Endpoint, PathParameters } from "../Endpoint.js"
import * as Range from "../Range.js"
import type { RouteTag } from "../Route.js"
import type * as Wire from "../Wire.js"
import * as chunk from "./chunk.js"
import * as conditions from "./conditions.js"
import { contentType } from "./contentType.js"
import * as parameters from "./query.js"

/**
 * The parts of a request from which an operation is decoded. `bytes` is the whole body if the decoder needs the body in
 * memory.
 */
export interface Incoming<Path> {
  readonly path: Path
  readonly query: parameters.Query
  readonly headers: Wire.Headers
  readonly body: Body.Body
  readonly bytes: Uint8Array
}

/** Decodes the requests of one operation. */
export interface Decoder<O extends Operation.Operation, R extends RouteTag> {
  /** Selects the requests that belong to this operation if several operations share a method and a path. */
  readonly accepts?: (incoming: Pick<Incoming<PathParameters[R]>, "path" | "query" | "body">) => boolean
  /**
   * Set if the body must be read into memory before the final call of `decode`. Before that, `decode` is also called
   * once with empty `bytes`.
   */
  readonly wholeBody?: true
  readonly decode: (incoming: Incoming<PathParameters[R]>) => Either.Either<O, RegistryError.RegistryError>
}

type Decoders = {
  readonly [T in keyof typeof endpoints]: (typeof endpoints)[T] extends Endpoint<infer O, infer R> ? Decoder<O, R>
    : never
}

const present = (body: Body.Body): Body.Body | undefined => body.size === 0 ? undefined : body

/**
 * Returns the media type of a pushed manifest. It has no default, because it is stored and the manifest is served with
 * it.
 */
const mediaTypeOf = (headers: Wire.Headers): Either.Either<string, RegistryError.ManifestInvalid> => {
  const mediaType = contentType(headers)
  const problem = headers["content-type"] === undefined ? "missing" : "not a media type"
  return mediaType === undefined
    ? Either.left(
      new RegistryError.ManifestInvalid({ reason: `manifest invalid: the Content-Type header is ${problem}` })
    )
    : Either.right(mediaType)
}

const decoders: Decoders = {
  ResolveBlob: {
    decode: ({ path }) => Either.right(new Operation.ResolveBlob(path))
  },
  GetBlob: {
    decode: ({ headers, path }) => {
      // A blob never changes, so `If-Range` matches its digest and nothing else.
      const condition = headers["if-range"]
      if (condition !== undefined && condition !== `"${path.digest}"`) {
        return Either.right(new Operation.GetBlob(path))
      }
      const range = Range.parse(headers["range"])
      if (range === "none") return Either.right(new Operation.GetBlob(path))
      return range === "invalid"
        ? Either.left(new RegistryError.RangeInvalid({ reason: "the range is empty" }))
        : Either.right(new Operation.GetBlob({ ...path, range }))
    }
  },
  ResolveManifest: {
    decode: ({ path }) => Either.right(new Operation.ResolveManifest(path))
  },
  GetManifest: {
    decode: ({ path }) => Either.right(new Operation.GetManifest(path))
  },
  MountBlob: {
    accepts: ({ query }) => query.has("mount"),
    decode: ({ path, query }) =>
      Either.zipWith(
        parameters.digest(query, "mount"),
        parameters.optionalAs(query, "from", RepositoryName.parse),
        (digest, from) => new Operation.MountBlob({ ...path, digest, from })
      )
  },
  PushBlob: {
    // A blob without a Content-Length is not pushed in one request: an upload session is opened for it.
    accepts: ({ body, query }) => query.has("digest") && body.size !== undefined,
    decode: ({ body, path, query }) =>
      Either.map(parameters.digest(query, "digest"), (digest) => {
        const descriptor = { mediaType: Descriptor.octetStream, digest, size: body.size ?? 0 }
        return new Operation.PushBlob({ ...path, body, descriptor })
      })
  },
  StartUpload: {
    decode: ({ path, query }) =>
      Either.right(new Operation.StartUpload({ ...path, algorithm: parameters.optional(query, "digest-algorithm") }))
  },
  GetUpload: {
    decode: ({ path }) => Either.right(new Operation.GetUpload(path))
  },
  AppendUpload: {
    decode: (incoming) =>
      Either.map(chunk.read(incoming), (chunk) => new Operation.AppendUpload({ ...incoming.path, ...chunk }))
  },
  CompleteUpload: {
    decode: (incoming) =>
      Either.zipWith(
        parameters.digest(incoming.query, "digest"),
        chunk.read(incoming),
        (digest, { body, offset }) =>
          new Operation.CompleteUpload({ ...incoming.path, digest, offset, body: present(body) })
      )
  },
  CancelUpload: {
    decode: ({ path }) => Either.right(new Operation.CancelUpload(path))
  },
  PushManifest: {
    wholeBody: true,
    decode: ({ bytes, headers, path: { reference, repository }, query }) =>
      Either.map(
        Either.all({
          mediaType: mediaTypeOf(headers),
          tags: parameters.checked(Either.all(query.getAll("tag").map(Tag.parse))),
          conditions: conditions.read(headers)
        }),
        ({ conditions, mediaType, tags }) =>
          new Operation.PushManifest({
            repository,
            mediaType,
            bytes,
            digest: Operation.isDigest(reference) ? reference : undefined,
            tags: Operation.isDigest(reference) ? tags : [reference, ...tags],
            ...conditions
          })
      )
  },
  DeleteBlob: {
    decode: ({ path }) => Either.right(new Operation.DeleteBlob(path))
  },
  DeleteManifest: {
    accepts: ({ path }) => Operation.isDigest(path.reference),
    decode: ({ path: { reference, repository } }) =>
      Either.right(new Operation.DeleteManifest({ repository, digest: reference as Digest.Digest }))
  },
  DeleteTag: {
    decode: ({ path: { reference, repository } }) =>
      Either.right(new Operation.DeleteTag({ repository, tag: reference as Tag.Tag }))
  },
  ListRepositories: {
    decode: ({ query }) =>
      Either.zipWith(
        parameters.optionalAs(query, "last", RepositoryName.parse),
        parameters.limit(query),
        (last, limit) => new Operation.ListRepositories({ last, limit })
      )
  },
  ListTags: {
    decode: ({ path, query }) =>
      Either.zipWith(
        parameters.optionalAs(query, "last", Tag.parse),
        parameters.limit(query),
        (last, limit) => new Operation.ListTags({ ...path, last, limit })
      )
  },
  ListReferrers: {
    decode: ({ path, query }) =>
      Either.right(new Operation.ListReferrers({ ...path, artifactType: parameters.optional(query, "artifactType") }))
  }
}

/** A decoder of any operation. */
export type AnyDecoder = Decoder<Operation.Operation, RouteTag>

/** The decoders by kind of path and method, in the order of `Endpoint.endpoints`. */
export const candidates: ReadonlyMap<RouteTag, ReadonlyMap<string, ReadonlyArray<AnyDecoder>>> = (() => {
  const found = new Map<RouteTag, Map<string, Array<AnyDecoder>>>()
  for (const [tag, { method, route }] of Object.entries(endpoints)) {
    const methods = found.get(route) ?? new Map<string, Array<AnyDecoder>>()
    methods.set(method, [...methods.get(method) ?? [], decoders[tag as keyof Decoders] as never])
    found.set(route, methods)
  }
  return found
})()
