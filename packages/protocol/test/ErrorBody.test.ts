import * as Body from "@effect-oci/core/Body"
import * as Digest from "@effect-oci/core/Digest"
import * as Operation from "@effect-oci/core/Operation"
import * as RegistryError from "@effect-oci/core/RegistryError"
import * as RepositoryName from "@effect-oci/core/RepositoryName"
import * as Tag from "@effect-oci/core/Tag"
import { describe, expect, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as ErrorBody from "../src/ErrorBody.js"
import type * as Wire from "../src/Wire.js"
import { operationTags } from "./arbitraries.js"
import { hostileTexts, quickest, texts } from "./hostile.js"

type ErrorTag = RegistryError.RegistryError["_tag"]

const repository = RepositoryName.make("team/app")
const digest = Digest.fromBytes(new Uint8Array(0))
const tag = Tag.make("v1")
const content = { repository, digest }
const upload = { repository, id: "1" }

/** One operation of each kind. */
const operations: { readonly [T in Operation.OperationTag]: Operation.OperationOf<T> } = {
  ResolveBlob: new Operation.ResolveBlob(content),
  GetBlob: new Operation.GetBlob(content),
  ResolveManifest: new Operation.ResolveManifest({ repository, reference: tag }),
  GetManifest: new Operation.GetManifest({ repository, reference: digest }),
  PushBlob: new Operation.PushBlob({
    repository,
    descriptor: { mediaType: "application/octet-stream", digest, size: 0 },
    body: Body.empty
  }),
  MountBlob: new Operation.MountBlob(content),
  StartUpload: new Operation.StartUpload({ repository }),
  GetUpload: new Operation.GetUpload(upload),
  AppendUpload: new Operation.AppendUpload({ ...upload, body: Body.empty }),
  CompleteUpload: new Operation.CompleteUpload({ ...upload, digest }),
  CancelUpload: new Operation.CancelUpload(upload),
  PushManifest: new Operation.PushManifest({ repository, mediaType: "a/b", bytes: new Uint8Array(0), tags: [tag] }),
  DeleteBlob: new Operation.DeleteBlob(content),
  DeleteManifest: new Operation.DeleteManifest(content),
  DeleteTag: new Operation.DeleteTag({ repository, tag }),
  ListRepositories: new Operation.ListRepositories({}),
  ListTags: new Operation.ListTags({ repository }),
  ListReferrers: new Operation.ListReferrers(content)
}

/** One error of each kind, with its additional fields. */
const errors: { readonly [T in ErrorTag]: (fields: RegistryError.ErrorFields) => RegistryError.RegistryError } = {
  OciBlobUnknown: (fields) => new RegistryError.BlobUnknown(fields),
  OciBlobUploadInvalid: (fields) => new RegistryError.BlobUploadInvalid(fields),
  OciBlobUploadUnknown: (fields) => new RegistryError.BlobUploadUnknown(fields),
  OciDigestInvalid: (fields) => new RegistryError.DigestInvalid(fields),
  OciManifestBlobUnknown: (fields) => new RegistryError.ManifestBlobUnknown(fields),
  OciManifestInvalid: (fields) => new RegistryError.ManifestInvalid(fields),
  OciManifestUnknown: (fields) => new RegistryError.ManifestUnknown(fields),
  OciNameInvalid: (fields) => new RegistryError.NameInvalid(fields),
  OciNameUnknown: (fields) => new RegistryError.NameUnknown(fields),
  OciSizeInvalid: (fields) => new RegistryError.SizeInvalid(fields),
  OciUnauthorized: (fields) => new RegistryError.Unauthorized(fields),
  OciDenied: (fields) => new RegistryError.Denied(fields),
  OciUnsupported: (fields) => new RegistryError.Unsupported(fields),
  OciTooManyRequests: (fields) => new RegistryError.TooManyRequests(fields),
  OciRangeInvalid: (fields) => new RegistryError.RangeInvalid(fields),
  OciTagInvalid: (fields) => new RegistryError.TagInvalid(fields),
  OciManifestUnverified: (fields) => new RegistryError.ManifestUnverified(fields),
  OciUnavailable: (fields) => new RegistryError.Unavailable(fields),
  OciUnknownCode: (fields) => new RegistryError.UnknownCode({ code: "QUOTA_EXCEEDED", ...fields }),
  OciTransportError: (fields) => new RegistryError.TransportError(fields),
  OciResponseInvalid: (fields) => new RegistryError.ResponseInvalid(fields),
  OciBodyFailed: (fields) => new RegistryError.BodyFailed(fields),
  OciRealmRefused: (fields) => new RegistryError.RealmRefused({ realm: "https://auth.example/token", ...fields }),
  OciCredentialError: (fields) => new RegistryError.CredentialError(fields),
  OciTagConflict: (fields) => new RegistryError.TagConflict({ tag, members: [], ...fields }),
  OciPartialFailure: (fields) => new RegistryError.PartialFailure({ outcomes: [], ...fields }),
  OciRefused: (fields) => new RegistryError.Refused({ by: "Policy", ...fields })
}

/** The code and the status of each error, and the operations for which the status differs. */
const golden: {
  readonly [T in ErrorTag]: readonly [
    code: string,
    status: number,
    others?: { readonly [O in Operation.OperationTag]?: number }
  ]
} = {
  OciBlobUnknown: ["BLOB_UNKNOWN", 404],
  OciBlobUploadInvalid: ["BLOB_UPLOAD_INVALID", 400],
  OciBlobUploadUnknown: ["BLOB_UPLOAD_UNKNOWN", 404],
  OciDigestInvalid: ["DIGEST_INVALID", 400],
  OciManifestBlobUnknown: ["MANIFEST_BLOB_UNKNOWN", 400],
  OciManifestInvalid: ["MANIFEST_INVALID", 400],
  OciManifestUnknown: ["MANIFEST_UNKNOWN", 404],
  OciNameInvalid: ["NAME_INVALID", 400],
  OciNameUnknown: ["NAME_UNKNOWN", 404],
  OciSizeInvalid: ["SIZE_INVALID", 400, { PushManifest: 413 }],
  OciUnauthorized: ["UNAUTHORIZED", 401],
  OciDenied: ["DENIED", 403],
  OciUnsupported: ["UNSUPPORTED", 405],
  OciTooManyRequests: ["TOOMANYREQUESTS", 429],
  OciRangeInvalid: ["RANGE_INVALID", 416],
  OciTagInvalid: ["TAG_INVALID", 400],
  OciManifestUnverified: ["MANIFEST_UNVERIFIED", 400],
  OciUnavailable: ["UNAVAILABLE", 503],
  OciUnknownCode: ["QUOTA_EXCEEDED", 500],
  OciTransportError: ["UNKNOWN", 502],
  OciResponseInvalid: ["UNKNOWN", 502],
  OciBodyFailed: ["UNKNOWN", 400],
  OciRealmRefused: ["UNKNOWN", 502],
  OciCredentialError: ["UNKNOWN", 502],
  OciTagConflict: ["UNKNOWN", 409],
  OciPartialFailure: ["UNKNOWN", 502],
  OciRefused: ["UNKNOWN", 403]
}

const errorTags = Object.keys(golden) as ReadonlyArray<ErrorTag>

/** The errors that arrive unchanged: those with a code of their own. */
const travelling = errorTags.filter((tag) => golden[tag][0] !== "UNKNOWN" && tag !== "OciUnknownCode")

const text = (response: Wire.Response): string => new TextDecoder().decode(response.body?.bytes)

const decode = (
  response: {
    readonly status: number
    readonly headers?: Wire.Headers
    readonly body?: string | Uint8Array | undefined
  },
  fields: RegistryError.ErrorFields = {}
): RegistryError.RegistryError => {
  const { body, headers = {}, status } = response
  const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body
  return ErrorBody.decode({ status, headers, bytes }, fields)
}

/** Decodes a server's response as a client does. */
const roundTrip = (error: RegistryError.RegistryError, operation: Operation.Operation): RegistryError.RegistryError => {
  const { body, headers, status } = ErrorBody.encode(error, operation)
  return decode({ status, headers, body: body?.bytes }, Operation.errorFields(operation))
}

describe("status", () => {
  it.each(errorTags)("of %s, for each operation", (tag) => {
    const [code, status, others = {}] = golden[tag]
    const error = errors[tag]({})
    expect(ErrorBody.status(error)).toBe(status)
    for (const operation of operationTags) {
      expect([operation, ErrorBody.status(error, operations[operation])]).toEqual([
        operation,
        others[operation] ?? status
      ])
    }
    expect(JSON.parse(text(ErrorBody.encode(error)))).toMatchObject({ errors: [{ code }] })
  })

  const ifAbsent = new Operation.PushManifest({ ...operations.PushManifest, ifAbsent: true })
  const ifMatch = new Operation.PushManifest({ ...operations.PushManifest, ifMatch: digest })
  const unknown = (status: number) => new RegistryError.UnknownCode({ code: "X", status })
  const rows: ReadonlyArray<
    readonly [name: string, error: RegistryError.RegistryError, operation: Operation.Operation | undefined, number]
  > = [
    ["content over a limit", new RegistryError.SizeInvalid({ limit: 10 }), undefined, 413],
    ["a blob over a limit", new RegistryError.SizeInvalid({ limit: 10 }), operations.CompleteUpload, 413],
    ["a full store", new RegistryError.Denied({ status: 507 }), undefined, 507],
    ["a tag that may not move", new RegistryError.Denied({}), ifAbsent, 412],
    ["a tag that points elsewhere", new RegistryError.Denied({}), ifMatch, 412],
    ["a push that is denied", new RegistryError.Denied({}), operations.PushManifest, 403],
    ["an unknown code, with its status", unknown(422), undefined, 422],
    ["an unknown code, without one", new RegistryError.UnknownCode({ code: "X" }), undefined, 500],
    ["an unknown code, after success", unknown(200), undefined, 500],
    ["an unknown code, after a redirect", unknown(307), undefined, 500],
    ["an unknown code, of no status", unknown(999), undefined, 500],
    ["an unknown code, of half a status", unknown(404.5), undefined, 500],
    ["another error's status, which does not count", new RegistryError.BlobUnknown({ status: 418 }), undefined, 404]
  ]
  it.each(rows)("of %s", (_, error, operation, status) => {
    expect(ErrorBody.status(error, operation)).toBe(status)
  })
})

describe("encode", () => {
  const rows: ReadonlyArray<
    readonly [
      name: string,
      error: RegistryError.RegistryError,
      operation: Operation.Operation | undefined,
      lines: ReadonlyArray<string>
    ]
  > = [
    [
      "contains the reason, and not the operation",
      new RegistryError.BlobUnknown({
        ...Operation.errorFields(operations.GetBlob),
        reason: "it is gone",
        registry: "x.y"
      }),
      operations.GetBlob,
      ["404", `{"errors":[{"code":"BLOB_UNKNOWN","message":"it is gone"}]}`]
    ],
    [
      "contains the default message without a reason",
      new RegistryError.NameUnknown({ repository, reason: "" }),
      operations.ListTags,
      ["404", `{"errors":[{"code":"NAME_UNKNOWN","message":"repository name not known to registry"}]}`]
    ],
    [
      "contains the detail",
      new RegistryError.Denied({ reason: "no", detail: [{ Action: "pull" }] }),
      undefined,
      ["403", `{"errors":[{"code":"DENIED","message":"no","detail":[{"Action":"pull"}]}]}`]
    ],
    [
      "keeps an unknown code",
      new RegistryError.UnknownCode({ code: "QUOTA", reason: "full", detail: 1, status: 507 }),
      undefined,
      ["507", `{"errors":[{"code":"QUOTA","message":"full","detail":1}]}`]
    ],
    [
      "contains the tag and the data of an error without a code, and not its cause",
      new RegistryError.Refused({ by: "Policy", reason: "not today", detail: { age: 1 }, cause: "CANARY" }),
      undefined,
      [
        "403",
        `{"errors":[{"code":"UNKNOWN","message":"not today","detail":{"_tag":"OciRefused","by":"Policy","detail":{"age":1}}}]}`
      ]
    ],
    [
      "leaves out a detail that is not JSON",
      new RegistryError.Denied({ reason: "no", detail: { size: 1n } }),
      undefined,
      ["403", `{"errors":[{"code":"DENIED","message":"no"}]}`]
    ],
    [
      "leaves out a detail that would make the body too long",
      new RegistryError.Denied({ reason: "no", detail: "é".repeat(ErrorBody.maxBytes / 2) }),
      undefined,
      ["403", `{"errors":[{"code":"DENIED","message":"no"}]}`]
    ],
    [
      "rounds retryAfter up to whole seconds",
      new RegistryError.TooManyRequests({ retryAfter: 1001 }),
      undefined,
      ["429", `{"errors":[{"code":"TOOMANYREQUESTS","message":"too many requests"}]}`, "retry-after: 2"]
    ],
    [
      "leaves out a retryAfter that is not finite",
      new RegistryError.Unavailable({ retryAfter: Infinity }),
      undefined,
      ["503", `{"errors":[{"code":"UNAVAILABLE","message":"service unavailable"}]}`]
    ],
    [
      "says no time that is past",
      new RegistryError.Unavailable({ retryAfter: -5000 }),
      undefined,
      ["503", `{"errors":[{"code":"UNAVAILABLE","message":"service unavailable"}]}`, "retry-after: 0"]
    ],
    [
      "contains the size of a blob for an invalid range",
      new RegistryError.RangeInvalid({ size: 2048 }),
      operations.GetBlob,
      ["416", `{"errors":[{"code":"RANGE_INVALID","message":"invalid content range"}]}`, "content-range: bytes */2048"]
    ],
    [
      "contains the offset of an upload for an invalid chunk",
      new RegistryError.RangeInvalid({ size: 10 }),
      operations.AppendUpload,
      [
        "416",
        `{"errors":[{"code":"RANGE_INVALID","message":"invalid content range"}]}`,
        "range: 0-9",
        "upload-offset: 10"
      ]
    ],
    [
      "leaves out an unknown size",
      new RegistryError.RangeInvalid({}),
      operations.GetBlob,
      ["416", `{"errors":[{"code":"RANGE_INVALID","message":"invalid content range"}]}`]
    ],
    [
      "lists the allowed methods for an unsupported one",
      new RegistryError.Unsupported({ reason: "read only" }),
      operations.DeleteBlob,
      ["405", `{"errors":[{"code":"UNSUPPORTED","message":"read only"}]}`, "allow: HEAD, GET"]
    ]
  ]
  it.each(rows)("%s", (_, error, operation, [status, body, ...headers]) => {
    const response = ErrorBody.encode(error, operation)
    expect(String(response.status)).toBe(status)
    expect(text(response)).toBe(body)
    expect(Object.entries(response.headers).map((header) => header.join(": ")).sort()).toEqual(
      [...headers, "content-type: application/json"].sort()
    )
  })

  it("never creates a body that is too long to be read", () => {
    const reason = "\u0001".repeat(ErrorBody.maxBytes)
    const bytes = ErrorBody.encode(new RegistryError.Denied({ reason, detail: reason })).body?.bytes
    expect(ErrorBody.parse(bytes)[0]?.code).toBe("DENIED")
  })
})

const jsonDetails = fc.option(fc.jsonValue({ maxDepth: 2 }).filter((value) => value !== null), {
  freq: 2,
  nil: undefined
})

/** The fields that every error may have and that are sent. */
const common = fc.record({
  reason: fc.option(fc.string({ maxLength: 60 }), { nil: undefined }),
  detail: jsonDetails.map((detail) => detail === undefined ? undefined : JSON.parse(JSON.stringify(detail)) as unknown),
  retryAfter: fc.option(fc.nat(100_000).map((seconds) => seconds * 1000), { nil: undefined })
})

const count = fc.option(fc.nat(), { nil: undefined })
const member = fc.string({ minLength: 1, maxLength: 10 })

/** The additional fields of each kind of error. */
const specific: { readonly [T in ErrorTag]?: fc.Arbitrary<object> } = {
  OciSizeInvalid: fc.record({ limit: count }),
  OciRangeInvalid: fc.record({ size: count }),
  OciUnknownCode: fc.record({
    code: fc.constantFrom("UNKNOWN", "QUOTA_EXCEEDED", "odd"),
    status: fc.constantFrom(undefined, 400, 401, 404, 409, 422, 429, 500, 502, 503)
  }),
  OciRealmRefused: fc.record({ realm: fc.webUrl() }),
  OciTagConflict: fc.record({
    tag: fc.constant(tag),
    members: fc.array(fc.record({ name: member, digest: fc.constantFrom(undefined, digest) }), { maxLength: 3 })
  }),
  OciRefused: fc.record({ by: fc.string() })
}

/** Any error, including errors that contain other errors. */
const { anyError } = fc.letrec<{ anyError: RegistryError.RegistryError }>((tie) => ({
  anyError: fc.oneof(
    { maxDepth: 2 },
    ...errorTags.filter((tag) => tag !== "OciPartialFailure").map((tag) =>
      fc.tuple(common, specific[tag] ?? fc.constant({})).map(([fields, more]) => errors[tag]({ ...fields, ...more }))
    ),
    fc.tuple(
      common,
      fc.array(fc.record({ name: member, error: fc.option(tie("anyError"), { nil: undefined }) }), { maxLength: 3 })
    ).map(([fields, outcomes]) => new RegistryError.PartialFailure({ ...fields, outcomes }))
  )
}))

describe("decode of encode", () => {
  const reasons = fc.option(
    fc.oneof(
      fc.string({ unit: "binary" }),
      fc.constantFrom("\x1b[2J\r\n", "…", "a".repeat(1024), "a".repeat(1025), "é".repeat(100_000), "\ud800")
    ),
    { freq: 3, nil: undefined }
  )
  const details = fc.option(fc.jsonValue().filter((value) => value !== null), { freq: 2, nil: undefined })

  it.each(travelling)("keeps %s and its message", (tag) => {
    fc.assert(
      fc.property(
        reasons,
        details,
        fc.constantFrom(...operationTags),
        fc.boolean(),
        (reason, detail, operationTag, named) => {
          const operation = operations[operationTag]
          const fields = named ? Operation.errorFields(operation) : {}
          const error = errors[tag]({ ...fields, reason, detail })
          const arrived = roundTrip(error, operation)
          expect([arrived._tag, arrived.operation]).toEqual([tag, operationTag])
          expect(arrived.message).toBe(errors[tag]({ ...Operation.errorFields(operation), reason }).message)
          expect(arrived.detail).toEqual(detail === undefined ? undefined : JSON.parse(JSON.stringify(detail)))
          // A server whose registry is a client of another such server.
          const again = roundTrip(arrived, operation)
          expect([again._tag, again.message, again.detail]).toEqual([arrived._tag, arrived.message, arrived.detail])
        }
      )
    )
  })

  /** Returns the parts of an error that are equal on both sides of a hop. */
  const shown = (error: RegistryError.RegistryError): unknown => {
    const { detail, diagnostics: _, reason: __, registry: ___, status: ____, ...rest } = error
    // A server sends the data as JSON.
    return JSON.parse(JSON.stringify({ ...rest, message: error.message, detail: detail ?? undefined }))
  }

  it("keeps every error: its tag, its message and its data", () => {
    fc.assert(
      fc.property(anyError, fc.constantFrom(...operationTags), (error, operationTag) => {
        const operation = operations[operationTag]
        const sent = RegistryError.withFields(error, Operation.errorFields(operation))
        const arrived = roundTrip(sent, operation)
        expect(shown(arrived)).toEqual(shown(sent))
        // A server whose registry is a client of another such server.
        const again = roundTrip(arrived, operation)
        expect(shown(again)).toEqual(shown(sent))
        expect(again.status).toBe(arrived.status)
      }),
      { numRuns: 1000 }
    )
  })

  it("keeps every error on HEAD, by a header", () => {
    fc.assert(
      fc.property(anyError, fc.constantFrom("ResolveBlob", "ResolveManifest"), (error, operationTag) => {
        const operation = operations[operationTag]
        const sent = RegistryError.withFields(error, Operation.errorFields(operation))
        const { headers, status } = ErrorBody.withHeader(ErrorBody.encode(sent, operation))
        expect(headers[ErrorBody.header]).toMatch(/^[\x20-\x7e]{1,4096}$/)
        expect(shown(decode({ status, headers, body: "" }, Operation.errorFields(operation)))).toEqual(shown(sent))
      })
    )
  })

  it("sends no cause, no failed request, and no user, password, query or fragment of a URL", () => {
    const secret = "CANARY"
    const cause = new Error(secret)
    const url = `https://${secret}:${secret}@registry.example/v2/?token=${secret}#${secret}`
    const transport = new RegistryError.TransportError({ method: "GET", url, cause })
    const realm = new RegistryError.RealmRefused({ realm: url, cause })
    const outcomes = [{ name: "a", error: transport }, {
      name: "b",
      error: new RegistryError.PartialFailure({ outcomes: [{ name: "c", error: realm }], cause })
    }]
    for (const error of [transport, realm, new RegistryError.PartialFailure({ outcomes, cause })]) {
      const response = ErrorBody.encode(error, operations.ResolveManifest)
      expect(text(response) + JSON.stringify(ErrorBody.withHeader(response).headers)).not.toContain(secret)
    }
    expect(roundTrip(transport, operations.GetBlob)).not.toHaveProperty("url")
    expect(roundTrip(realm, operations.GetBlob)).toMatchObject({ realm: "https://registry.example/v2/" })
  })

  it("keeps the tag and the members of an error whose details are too long to be sent", () => {
    const detail = "é".repeat(ErrorBody.maxBytes)
    const outcomes = Array.from({ length: 100 }, (_, index) => ({
      name: `member-${index}`,
      error: index % 2 === 0 ? undefined : new RegistryError.Denied({ reason: "no".repeat(1000), detail })
    }))
    const arrived = roundTrip(new RegistryError.PartialFailure({ outcomes, detail }), operations.PushManifest)
    expect(arrived).toMatchObject({
      _tag: "OciPartialFailure",
      outcomes: outcomes.map(({ error, name }) =>
        error === undefined ? { name } : { name, error: { _tag: "OciDenied", reason: "no".repeat(100) } }
      )
    })
  })

  it("ignores data that belongs to another error", () => {
    const body = (code: string, detail: unknown) => JSON.stringify({ errors: [{ code, message: "no", detail }] })
    const rows: ReadonlyArray<readonly [status: number, code: string, detail: unknown, tag: ErrorTag]> = [
      [401, "UNKNOWN", { _tag: "OciTransportError" }, "OciUnauthorized"],
      [502, "DENIED", { _tag: "OciTransportError" }, "OciUnavailable"],
      [502, "UNKNOWN", { _tag: "OciPartialFailure", outcomes: [{ name: 1 }] }, "OciUnknownCode"],
      [409, "UNKNOWN", { _tag: "OciTagConflict", tag: "no tag", members: [] }, "OciUnknownCode"],
      [403, "UNKNOWN", { _tag: "OciRefused" }, "OciUnknownCode"],
      [403, "UNKNOWN", { _tag: "toString" }, "OciUnknownCode"],
      [403, "UNKNOWN", { _tag: ["OciRefused"], by: "x" }, "OciUnknownCode"],
      [507, "QUOTA", { _tag: "OciUnknownCode", code: "OTHER" }, "OciUnknownCode"],
      [409, "UNKNOWN", null, "OciUnknownCode"]
    ]
    for (const [status, code, detail, tag] of rows) {
      const error = decode({ status, body: body(code, detail) }, Operation.errorFields(operations.GetBlob))
      expect([status, code, error._tag, error.detail ?? null]).toEqual([status, code, tag, detail])
    }
  })

  it("takes the fields of the request from the request, not from the data", () => {
    const detail = { _tag: "OciRefused", by: "Policy", operation: "GetBlob", repository: "x", registry: "y", status: 1 }
    const body = JSON.stringify({ errors: [{ code: "UNKNOWN", detail }] })
    expect(decode({ status: 403, body }, { operation: "ListRepositories", registry: "registry.example" }))
      .toMatchObject({
        _tag: "OciRefused",
        by: "Policy",
        operation: "ListRepositories",
        repository: undefined,
        registry: "registry.example",
        status: 403
      })
  })

  it("keeps an unknown code", () => {
    const error = new RegistryError.UnknownCode({ code: "QUOTA", reason: "full", status: 422 })
    expect(roundTrip(error, operations.PushBlob)).toMatchObject({
      _tag: "OciUnknownCode",
      code: "QUOTA",
      reason: "full"
    })
  })

  it("keeps retryAfter and the available size", () => {
    expect(roundTrip(new RegistryError.TooManyRequests({ retryAfter: 3000 }), operations.GetBlob).retryAfter).toBe(3000)
    for (const operationTag of ["GetBlob", "AppendUpload", "CompleteUpload"] as const) {
      for (const size of [0, 1, 2048]) {
        const arrived = roundTrip(new RegistryError.RangeInvalid({ size }), operations[operationTag])
        expect(arrived).toMatchObject({ _tag: "OciRangeInvalid", size })
      }
    }
  })
})

describe("decode", () => {
  /**
   * The errors for responses without a body, such as to HEAD, for operations on blobs, manifests, uploads and others.
   */
  const bare: ReadonlyArray<readonly [status: number, tag: ErrorTag]> = [
    [300, "OciUnknownCode"],
    [304, "OciUnknownCode"],
    [401, "OciUnauthorized"],
    [403, "OciDenied"],
    [405, "OciUnsupported"],
    [408, "OciUnknownCode"],
    [409, "OciUnknownCode"],
    [412, "OciDenied"],
    [413, "OciSizeInvalid"],
    [416, "OciRangeInvalid"],
    [429, "OciTooManyRequests"],
    [500, "OciUnknownCode"],
    [501, "OciUnknownCode"],
    [502, "OciUnavailable"],
    [503, "OciUnavailable"],
    [504, "OciUnavailable"]
  ]
  it.each(bare)("decodes status %i without a body to %s", (status, tag) => {
    for (const operationTag of operationTags) {
      const error = decode({ status }, Operation.errorFields(operations[operationTag]))
      expect([operationTag, error._tag, error.status, error.operation]).toEqual([
        operationTag,
        tag,
        status,
        operationTag
      ])
      expect(error.diagnostics).toEqual([])
    }
  })

  const refusedPushes: { readonly [T in Operation.OperationTag]?: ErrorTag } = {
    PushBlob: "OciBlobUploadInvalid",
    StartUpload: "OciBlobUploadInvalid",
    AppendUpload: "OciBlobUploadInvalid",
    CompleteUpload: "OciBlobUploadInvalid",
    PushManifest: "OciManifestInvalid"
  }
  it.each(operationTags)(
    "decodes status 400 without a body, for %s, to an error about the pushed content",
    (operationTag) => {
      const error = decode({ status: 400 }, { operation: operationTag })
      expect(error._tag).toBe(refusedPushes[operationTag] ?? "OciUnknownCode")
      expect(error.message).toBe(`${operationTag}: the registry answered with status 400`)
    }
  )

  const notFound: { readonly [T in Operation.OperationTag]: ErrorTag } = {
    ResolveBlob: "OciBlobUnknown",
    GetBlob: "OciBlobUnknown",
    ResolveManifest: "OciManifestUnknown",
    GetManifest: "OciManifestUnknown",
    PushBlob: "OciNameUnknown",
    MountBlob: "OciNameUnknown",
    StartUpload: "OciNameUnknown",
    GetUpload: "OciBlobUploadUnknown",
    AppendUpload: "OciBlobUploadUnknown",
    CompleteUpload: "OciBlobUploadUnknown",
    CancelUpload: "OciBlobUploadUnknown",
    PushManifest: "OciNameUnknown",
    DeleteBlob: "OciBlobUnknown",
    DeleteManifest: "OciManifestUnknown",
    DeleteTag: "OciManifestUnknown",
    ListRepositories: "OciUnsupported",
    ListTags: "OciNameUnknown",
    ListReferrers: "OciNameUnknown"
  }
  it.each(operationTags)("decodes status 404 without a body, for %s, to its not-found error", (operationTag) => {
    const error = decode({ status: 404 }, Operation.errorFields(operations[operationTag]))
    expect(error._tag).toBe(notFound[operationTag])
    expect(RegistryError.isNotFound(error)).toBe(operationTag !== "ListRepositories")
  })

  interface Expected {
    readonly _tag: ErrorTag
    readonly message?: string
    readonly [field: string]: unknown
  }
  const json = (...errors: ReadonlyArray<unknown>) => JSON.stringify({ errors })
  const nested = (depth: number): unknown => depth === 0 ? 1 : [nested(depth - 1)]
  const rows: ReadonlyArray<
    readonly [
      name: string,
      response: { readonly status: number; readonly body?: string | Uint8Array; readonly headers?: Wire.Headers },
      error: Expected
    ]
  > = [
    ["a code of the spec", { status: 400, body: json({ code: "NAME_INVALID" }) }, {
      _tag: "OciNameInvalid",
      status: 400
    }],
    [
      "its message and detail",
      { status: 404, body: json({ code: "MANIFEST_UNKNOWN", message: "gone", detail: { Tag: "v1" } }) },
      { _tag: "OciManifestUnknown", message: "gone", reason: "gone", detail: { Tag: "v1" } }
    ],
    ["the code if the status is unspecific", { status: 400, body: json({ code: "BLOB_UNKNOWN" }) }, {
      _tag: "OciBlobUnknown"
    }],
    ["an empty message", { status: 403, body: json({ code: "DENIED", message: "" }) }, {
      _tag: "OciDenied",
      reason: undefined
    }],
    [
      "an invalid message",
      { status: 403, body: json({ code: "DENIED", message: { a: 1 }, detail: null }) },
      { _tag: "OciDenied", reason: undefined, detail: undefined }
    ],
    [
      "no detail that is too deep to be shown",
      {
        status: 403,
        body: json(
          { code: "DENIED", detail: nested(ErrorBody.maxDepth) },
          { code: "DENIED", detail: { deep: nested(ErrorBody.maxDepth) } }
        )
      },
      {
        _tag: "OciDenied",
        detail: nested(ErrorBody.maxDepth),
        diagnostics: [{ code: "DENIED", message: undefined, detail: nested(ErrorBody.maxDepth) }, {
          code: "DENIED",
          message: undefined
        }]
      }
    ],
    [
      "the first known code",
      {
        status: 400,
        body: json({ code: "ODD", message: "odd" }, { code: "SIZE_INVALID", message: "size" }, { code: "DENIED" })
      },
      {
        _tag: "OciSizeInvalid",
        reason: "size",
        diagnostics: [
          { code: "ODD", message: "odd" },
          { code: "SIZE_INVALID", message: "size" },
          { code: "DENIED", message: undefined }
        ]
      }
    ],
    [
      "an unknown code",
      { status: 422, body: json({ code: "QUOTA", message: "full", detail: 1 }) },
      { _tag: "OciUnknownCode", code: "QUOTA", reason: "full", detail: 1, status: 422 }
    ],
    [
      "an unknown code, without a message",
      { status: 422, body: json({ code: "QUOTA" }) },
      { _tag: "OciUnknownCode", code: "QUOTA", reason: "the registry answered with status 422" }
    ],
    // Codes of Harbor, Gitea and others: the status determines the error.
    ["not found by an unknown code", { status: 404, body: json({ code: "NOT_FOUND" }) }, {
      _tag: "OciManifestUnknown"
    }],
    ["not found by no code", { status: 404, body: json({ code: "UNKNOWN" }) }, { _tag: "OciManifestUnknown" }],
    ["unauthorized by an unknown code", { status: 401, body: json({ code: "NO" }) }, { _tag: "OciUnauthorized" }],
    [
      "too many requests by an unknown code",
      { status: 429, body: json({ code: "TOO_MANY_REQUESTS", message: "slow" }) },
      { _tag: "OciTooManyRequests", reason: "slow" }
    ],
    ["unavailable by an unknown code", { status: 503, body: json({ code: "DOWN" }) }, { _tag: "OciUnavailable" }],
    ["a failure that has no code", { status: 502, body: json({ code: "UNKNOWN" }) }, { _tag: "OciUnknownCode" }],
    ["a code in small letters", { status: 400, body: json({ code: "denied" }) }, {
      _tag: "OciUnknownCode",
      code: "denied"
    }],
    ["a code that is a member of all objects", { status: 400, body: json({ code: "constructor" }) }, {
      _tag: "OciUnknownCode"
    }],
    ["an invalid code", { status: 403, body: json({ code: 1 }, null, "x", []) }, {
      _tag: "OciDenied",
      diagnostics: []
    }],
    ["invalid errors", { status: 403, body: `{"errors":{"code":"NAME_INVALID"}}` }, { _tag: "OciDenied" }],
    ["no errors", { status: 403, body: `{"errors":[]}` }, { _tag: "OciDenied" }],
    ["other JSON", { status: 403, body: `{"message":"x"}` }, { _tag: "OciDenied" }],
    ["null", { status: 403, body: "null" }, { _tag: "OciDenied" }],
    ["broken JSON", { status: 403, body: `{"errors":[{"code":"NAME_INVALID"}` }, { _tag: "OciDenied" }],
    ["a byte order mark", { status: 400, body: `\ufeff${json({ code: "NAME_INVALID" })}` }, { _tag: "OciNameInvalid" }],
    ["text that is not UTF-8", { status: 403, body: new Uint8Array([0xff, 0xfe]) }, { _tag: "OciDenied" }],
    ["a web page", { status: 503, body: "<html><h1>503 Service Unavailable</h1></html>" }, { _tag: "OciUnavailable" }],
    ["an HTML page", { status: 500, body: "<html>" }, { _tag: "OciUnknownCode", code: "UNKNOWN" }],
    ["an empty body", { status: 401, body: "" }, { _tag: "OciUnauthorized" }],
    [
      "a body of the maximum size",
      { status: 400, body: json({ code: "NAME_INVALID" }).padEnd(ErrorBody.maxBytes) },
      { _tag: "OciNameInvalid" }
    ],
    [
      "a body that is too long",
      { status: 400, body: json({ code: "NAME_INVALID" }).padEnd(ErrorBody.maxBytes + 1) },
      { _tag: "OciUnknownCode" }
    ],
    [
      "a message with terminal escapes",
      { status: 403, body: json({ code: "DENIED", message: "\x1b[2J\r\nok" }) },
      { _tag: "OciDenied", message: "\\u001b[2J\\u000d\\u000aok" }
    ],
    [
      "content that is too large, without a reason",
      { status: 413 },
      { _tag: "OciSizeInvalid", message: "the content is larger than the limit of the registry" }
    ],
    [
      "a refused range, with the available size",
      { status: 416, headers: { "content-range": "bytes */2048" } },
      { _tag: "OciRangeInvalid", size: 2048 }
    ],
    [
      "a refused chunk, with the offset of the upload",
      { status: 416, body: json({ code: "RANGE_INVALID" }), headers: { range: "0-9" } },
      { _tag: "OciRangeInvalid", size: 10 }
    ],
    [
      "a chunk refused with an unknown code, with the offset of the upload",
      { status: 416, headers: { range: "bytes=0-9", "upload-offset": "10" } },
      { _tag: "OciRangeInvalid", size: 10 }
    ],
    ["a refused range, without a size", { status: 416 }, { _tag: "OciRangeInvalid", size: undefined }]
  ]
  it.each(rows)("decodes %s", (_, response, { _tag, ...expected }) => {
    const error = decode(response, { operation: "GetManifest" })
    expect(error._tag).toBe(_tag)
    const { message, ...fields } = expected
    expect(error).toMatchObject(fields)
    if (message !== undefined) expect(error.message).toBe(`GetManifest: ${message}`)
  })

  const date = "Sun, 06 Nov 1994 08:49:30 GMT"
  const waits: ReadonlyArray<readonly [value: string, date: string | undefined, milliseconds: number | undefined]> = [
    ["0", undefined, 0],
    ["120", undefined, 120_000],
    [" 120 ", undefined, 120_000],
    ["1000000000", undefined, 1_000_000_000_000],
    ["9007199254740991", undefined, Number.MAX_SAFE_INTEGER],
    ["9".repeat(400), undefined, Number.MAX_SAFE_INTEGER],
    ["-1", date, undefined],
    ["1.5", date, undefined],
    ["soon", date, undefined],
    ["", date, undefined],
    ["1994", date, 1_994_000],
    ["2038-01-01", date, undefined],
    ["Sun, 06 Nov 1994 08:49:37 GMT", date, 7000],
    ["Sunday, 06-Nov-94 08:49:37 GMT", date, 7000],
    ["Sun Nov  6 08:49:37 1994", date, 7000],
    ["Sun, 06 Nov 1994 08:49:00 GMT", date, 0],
    ["Sun, 06 Nov 1994 08:49:37 GMT", undefined, undefined],
    ["Sun, 06 Nov 1994 08:49:37 GMT", "yesterday", undefined],
    ["Sun, 66 Nov 1994 08:49:37 GMT", date, undefined]
  ]
  it.each(waits)("parses Retry-After: %s at %s", (value, date, milliseconds) => {
    expect(decode({ status: 429, headers: { "retry-after": value, date } }).retryAfter).toBe(milliseconds)
  })

  it("returns an error for any body", () => {
    const bodies = fc.oneof(
      fc.uint8Array(),
      fc.string(),
      fc.json(),
      fc.jsonValue().map((errors) => JSON.stringify({ errors })),
      fc.array(fc.record({ code: fc.constantFrom("DENIED", "X", 1, null), message: fc.jsonValue() })).map((errors) =>
        JSON.stringify({ errors })
      )
    )
    fc.assert(
      fc.property(bodies, fc.integer({ min: 300, max: 599 }), texts, (body, status, header) => {
        const error = decode({ status, body, headers: { "retry-after": header, date: header, range: header } })
        expect(RegistryError.isRegistryError(error)).toBe(true)
        expect(ErrorBody.status(error)).toBeGreaterThanOrEqual(400)
      }),
      { numRuns: 2000 }
    )
  })

  it("can be logged with any detail", () => {
    const detail = `${"[".repeat(30_000)}${"]".repeat(30_000)}`
    const error = decode({ status: 403, body: `{"errors":[{"code":"DENIED","detail":${detail}}]}` })
    expect(JSON.stringify(error, null, 2).length).toBeLessThan(1000)
  })

  it.each([
    ...hostileTexts,
    { name: "deep arrays", text: `{"errors":${"[".repeat(65_000)}` },
    { name: "deep errors", text: `{"errors":[${"{\"detail\":".repeat(6000)}1${"}".repeat(6000)}]}` },
    { name: "many errors", text: `{"errors":[${"{},".repeat(21_000)}{}]}` }
  ])("is done with $name in 5 ms", ({ text }) => {
    const headers = { "retry-after": text, date: text, range: text, "content-range": text }
    expect(quickest(() => decode({ status: 416, body: text, headers }))).toBeLessThan(5)
  })
})
