import * as Body from "@effect-oci/core/Body"
import * as Descriptor from "@effect-oci/core/Descriptor"
import * as MediaType from "@effect-oci/core/MediaType"
import type * as Operation from "@effect-oci/core/Operation"
import type { RepositoryName } from "@effect-oci/core/RepositoryName"
import * as Link from "../Link.js"
import type { ListOperation } from "../Page.js"
import * as Range from "../Range.js"
import * as Route from "../Route.js"
import type * as Wire from "../Wire.js"

type Rows = {
  readonly [T in Exclude<Operation.OperationTag, ListOperation["_tag"]>]: (
    operation: Operation.OperationOf<T>,
    result: Operation.Results[T]
  ) => Wire.Response
}

const response = (status: number, headers: Wire.Headers, body?: Body.Body): Wire.Response => ({ status, headers, body })

const json = (value: unknown): Body.Body => Body.bytes(new TextEncoder().encode(JSON.stringify(value)))

/**
 * Headers that prevent a browser from executing stored content on the origin of the registry. The browser does not
 * guess a type and does not run scripts, for any content of any type.
 */
const inert = {
  "x-content-type-options": "nosniff",
  "content-security-policy": "sandbox; default-src 'none'"
}

/** Returns the headers of content. Names every header, because Node needs 3 µs more to write headers from a spread. */
const content = (descriptor: Descriptor.Descriptor): Wire.Headers => ({
  "x-content-type-options": inert["x-content-type-options"],
  "content-security-policy": inert["content-security-policy"],
  "content-type": descriptor.mediaType,
  "content-length": String(descriptor.size),
  "docker-content-digest": descriptor.digest
})

/**
 * Returns the headers of a blob. Their media type is that of the registry, not the one that a manifest states for the
 * blob.
 */
const blob = (descriptor: Descriptor.Descriptor): Wire.Headers => ({
  "x-content-type-options": inert["x-content-type-options"],
  "content-security-policy": inert["content-security-policy"],
  "content-type": Descriptor.octetStream,
  "content-length": String(descriptor.size),
  "docker-content-digest": descriptor.digest,
  "accept-ranges": "bytes",
  etag: `"${descriptor.digest}"`
})

const stored = (repository: RepositoryName, descriptor: Pick<Descriptor.Descriptor, "digest"> & { size?: number }) =>
  response(201, {
    location: Route.format({ _tag: "Blob", name: repository, digest: descriptor.digest }),
    "docker-content-digest": descriptor.digest,
    "content-length": "0",
    ...(descriptor.size === undefined ? {} : { "upload-offset": String(descriptor.size) })
  })

const upload = (status: number, repository: RepositoryName, upload: Operation.Upload) =>
  response(status, {
    location: Route.format({ _tag: "Upload", name: repository, id: upload.id }),
    ...Range.formatUploadOffset(upload.offset),
    ...(upload.minChunkSize === undefined ? {} : { "oci-chunk-min-length": String(upload.minChunkSize) }),
    ...(status === 204 ? {} : { "content-length": "0" })
  })

const deleted = response(202, { "content-length": "0" })

export const rows: Rows = {
  ResolveBlob: (_, descriptor) => response(200, blob(descriptor)),
  GetBlob: (_, { body, descriptor, range }) =>
    range === undefined
      ? response(200, blob(descriptor), body)
      : response(206, {
        ...blob(descriptor),
        "content-length": String(range.length),
        "content-range": Range.formatContentRange({ span: range, size: descriptor.size })
      }, body),
  ResolveManifest: (_, descriptor) => response(200, content(descriptor)),
  GetManifest: (_, { bytes, descriptor }) => response(200, content(descriptor), Body.bytes(bytes)),
  PushBlob: ({ repository }, descriptor) => stored(repository, descriptor),
  MountBlob: ({ repository }, result) =>
    result._tag === "Mounted" ? stored(repository, result) : upload(202, repository, result.upload),
  StartUpload: ({ repository }, result) => upload(202, repository, result),
  GetUpload: ({ repository }, result) => upload(204, repository, result),
  AppendUpload: ({ repository }, result) => upload(202, repository, result),
  CompleteUpload: ({ repository }, descriptor) => stored(repository, descriptor),
  CancelUpload: () => response(204, {}),
  PushManifest: ({ digest, repository }, pushed) => {
    const reference = digest ?? pushed.tags[0] ?? pushed.digest
    return response(201, {
      location: Route.format({ _tag: "Manifest", name: repository, reference }),
      "docker-content-digest": pushed.digest,
      "content-length": "0",
      ...(pushed.subject === undefined ? {} : { "oci-subject": pushed.subject }),
      ...(pushed.tags.length === 0 ? {} : { "oci-tag": pushed.tags.join(", ") })
    })
  },
  DeleteBlob: () => deleted,
  DeleteManifest: () => deleted,
  DeleteTag: () => deleted
}

export const page = (
  operation: ListOperation,
  items: ReadonlyArray<unknown>,
  options: { readonly next?: string | undefined; readonly filtered?: boolean | undefined } | undefined
): Wire.Response => {
  const headers = options?.next === undefined ? inert : { ...inert, link: Link.format(options.next) }
  switch (operation._tag) {
    case "ListRepositories":
      return response(200, { "content-type": "application/json", ...headers }, json({ repositories: items }))
    case "ListTags":
      return response(
        200,
        { "content-type": "application/json", ...headers },
        json({ name: operation.repository, tags: items })
      )
    case "ListReferrers":
      return response(
        200,
        {
          "content-type": MediaType.index,
          ...(options?.filtered === true ? { "oci-filters-applied": "artifactType" } : {}),
          ...headers
        },
        json({ schemaVersion: 2, mediaType: MediaType.index, manifests: items })
      )
  }
}
