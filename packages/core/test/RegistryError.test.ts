import { describe, expect, it } from "@effect/vitest"
import { Cause, Effect, Equal, Exit, Schema } from "effect"
import * as Digest from "../src/Digest.js"
import * as RegistryError from "../src/RegistryError.js"
import * as RepositoryName from "../src/RepositoryName.js"
import { SyntaxInvalid } from "../src/SyntaxInvalid.js"
import * as Tag from "../src/Tag.js"

const repository = RepositoryName.make("team/app")
const digest = Digest.fromBytes(new Uint8Array(0))

/** Every error without a reason: its default message, and its kind of failure. */
const errors: {
  readonly [T in RegistryError.RegistryError["_tag"]]: {
    readonly error: Extract<RegistryError.RegistryError, { readonly _tag: T }>
    readonly message: string
    readonly kind?: "transient" | "not found"
  }
} = {
  OciBlobUnknown: {
    error: new RegistryError.BlobUnknown({}),
    message: "blob unknown to registry",
    kind: "not found"
  },
  OciBlobUploadInvalid: { error: new RegistryError.BlobUploadInvalid({}), message: "blob upload invalid" },
  OciBlobUploadUnknown: {
    error: new RegistryError.BlobUploadUnknown({}),
    message: "blob upload unknown to registry",
    kind: "not found"
  },
  OciDigestInvalid: {
    error: new RegistryError.DigestInvalid({}),
    message: "provided digest did not match uploaded content"
  },
  OciManifestBlobUnknown: {
    error: new RegistryError.ManifestBlobUnknown({}),
    message: "manifest references a manifest or blob unknown to registry"
  },
  OciManifestInvalid: { error: new RegistryError.ManifestInvalid({}), message: "manifest invalid" },
  OciManifestUnknown: {
    error: new RegistryError.ManifestUnknown({}),
    message: "manifest unknown to registry",
    kind: "not found"
  },
  OciNameInvalid: { error: new RegistryError.NameInvalid({}), message: "invalid repository name" },
  OciNameUnknown: {
    error: new RegistryError.NameUnknown({}),
    message: "repository name not known to registry",
    kind: "not found"
  },
  OciSizeInvalid: {
    error: new RegistryError.SizeInvalid({ limit: 10 }),
    message: "provided length did not match content length"
  },
  OciUnauthorized: { error: new RegistryError.Unauthorized({}), message: "authentication required" },
  OciDenied: { error: new RegistryError.Denied({}), message: "requested access to the resource is denied" },
  OciUnsupported: { error: new RegistryError.Unsupported({}), message: "the operation is unsupported" },
  OciTooManyRequests: {
    error: new RegistryError.TooManyRequests({ retryAfter: 1000 }),
    message: "too many requests",
    kind: "transient"
  },
  OciRangeInvalid: { error: new RegistryError.RangeInvalid({ size: 10 }), message: "invalid content range" },
  OciTagInvalid: { error: new RegistryError.TagInvalid({}), message: "manifest tag did not match URI" },
  OciManifestUnverified: {
    error: new RegistryError.ManifestUnverified({}),
    message: "manifest failed signature verification"
  },
  OciUnavailable: { error: new RegistryError.Unavailable({}), message: "service unavailable", kind: "transient" },
  OciUnknownCode: { error: new RegistryError.UnknownCode({ code: "ODD" }), message: "unknown error" },
  OciTransportError: {
    error: new RegistryError.TransportError({ method: "GET", url: "https://registry.example/v2/" }),
    message: "the registry cannot be reached",
    kind: "transient"
  },
  OciResponseInvalid: {
    error: new RegistryError.ResponseInvalid({}),
    message: "the registry's answer breaks the protocol"
  },
  OciBodyFailed: { error: new RegistryError.BodyFailed({}), message: "the body to send failed" },
  OciRealmRefused: {
    error: new RegistryError.RealmRefused({ realm: "https://token.example/" }),
    message: "the registry's token server is not trusted with its credentials"
  },
  OciCredentialError: { error: new RegistryError.CredentialError({}), message: "credentials could not be read" },
  OciTagConflict: {
    error: new RegistryError.TagConflict({ tag: Tag.make("v1"), members: [{ name: "a", digest }] }),
    message: "registries disagree about the tag"
  },
  OciPartialFailure: {
    error: new RegistryError.PartialFailure({ outcomes: [{ name: "a", error: undefined }] }),
    message: "some registries failed"
  },
  OciRefused: { error: new RegistryError.Refused({ by: "policy" }), message: "refused by a policy" }
}

const rows = Object.entries(errors).map(([tag, { error, kind, message }]) => ({ tag, error, kind, message }))

describe.each(rows)("$tag", ({ error, kind, message, tag }) => {
  it("has its tag and a default message", () => {
    expect(error).toBeInstanceOf(Error)
    expect({ tag: error._tag, name: error.name, message: error.message }).toEqual({ tag, name: tag, message })
    expect(RegistryError.isRegistryError(error)).toBe(true)
  })

  it(kind === undefined ? "is neither transient nor a want" : `is ${kind}`, () => {
    expect(RegistryError.isTransient(error)).toBe(kind === "transient")
    expect(RegistryError.isNotFound(error)).toBe(kind === "not found")
  })

  it("keeps its class, its own fields and its cause when fields are added", () => {
    const cause = new Error("why")
    const first = RegistryError.withFields(error, { operation: "GetBlob", status: 418, cause })
    const second = RegistryError.withFields(first, { repository, reference: "v1" })
    expect(second).toBeInstanceOf(error.constructor)
    expect(second.cause).toBe(cause)
    expect({ ...second }).toEqual({ ...error, operation: "GetBlob", status: 418, repository, reference: "v1" })
    expect(second.message).toBe(`GetBlob team/app:v1: ${message}`)
  })

  it("is unchanged without other fields, and does not get a cause", () => {
    const same = RegistryError.withFields(error, {})
    expect(Equal.equals(same, error)).toBe(true)
    expect("cause" in same).toBe("cause" in error)
  })

  it.effect("can be yielded as a failure", () =>
    Effect.gen(function*() {
      const failed: Effect.Effect<never, RegistryError.RegistryError> = error
      expect(yield* Effect.exit(failed)).toStrictEqual(Exit.fail(error))
    }))
})

describe("the message of an error", () => {
  it.each([
    { name: "nothing known", fields: {}, message: "blob unknown to registry" },
    {
      name: "an operation",
      fields: { operation: "ListRepositories" as const },
      message: "ListRepositories: blob unknown to registry"
    },
    { name: "a repository", fields: { repository }, message: "team/app: blob unknown to registry" },
    { name: "a tag", fields: { repository, reference: "v1" }, message: "team/app:v1: blob unknown to registry" },
    {
      name: "a digest",
      fields: { repository, reference: digest },
      message: `team/app@${digest}: blob unknown to registry`
    },
    { name: "a reference alone", fields: { reference: "v1" }, message: "v1: blob unknown to registry" },
    {
      name: "operation, repository and reference",
      fields: { operation: "GetBlob" as const, repository, reference: digest },
      message: `GetBlob team/app@${digest}: blob unknown to registry`
    },
    {
      name: "a reason of the registry's own",
      fields: { operation: "GetBlob" as const, repository, reference: digest, reason: "it was here yesterday" },
      message: `GetBlob team/app@${digest}: it was here yesterday`
    },
    { name: "an empty reason", fields: { repository, reason: "" }, message: "team/app: blob unknown to registry" },
    {
      name: "no status, registry, detail or cause",
      fields: { repository, status: 404, registry: "registry.example", detail: { hop: 1 }, cause: new Error("hop") },
      message: "team/app: blob unknown to registry"
    }
  ])("with $name", ({ fields, message }) => {
    expect(new RegistryError.BlobUnknown(fields).message).toBe(message)
    expect(String(new RegistryError.BlobUnknown(fields))).toBe(`OciBlobUnknown: ${message}`)
  })

  it.each([
    { reason: undefined, expected: "blob unknown to registry" },
    { reason: "", expected: "blob unknown to registry" },
    { reason: "it was here yesterday", expected: "it was here yesterday" }
  ])("has the reason $expected if the registry sent $reason", ({ expected, reason }) => {
    expect(RegistryError.reason(new RegistryError.BlobUnknown({ repository, reason }))).toBe(expected)
  })

  it.each([
    { name: "a terminal's screen being cleared", text: "\u001b[2J", shown: "\\u001b[2J" },
    { name: "a second line", text: "a\r\nb", shown: "a\\u000d\\u000ab" },
    { name: "an 8-bit control sequence", text: "\u009b31m", shown: "\\u009b31m" },
    { name: "a NUL", text: "\0", shown: "\\u0000" },
    { name: "a text turned round", text: "\u202egnp.exe", shown: "\\u202egnp.exe" },
    { name: "a line separator", text: "a\u2028b", shown: "a\\u2028b" },
    { name: "honest words", text: "größe: 5 ✓", shown: "größe: 5 ✓" }
  ])("shows $name as what it is", ({ shown, text }) => {
    const error = new RegistryError.BlobUnknown({ repository, reference: text, reason: text })
    expect(error.message).toBe(`team/app:${shown}: ${shown}`.replace("team/app:größe:", "team/app@größe:"))
  })

  it("is cut if the registry's text is long", () => {
    const error = new RegistryError.BlobUnknown({ reference: "r".repeat(1 << 20), reason: "\u001b".repeat(1 << 20) })
    expect(error.message).toBe(`${"r".repeat(200)}…: ${"\\u001b".repeat(1024)}…`)
  })
})

describe("an error in logs and JSON", () => {
  const secret = "CANARY-7f3a"
  const cause = Object.assign(new Error(`GET https://registry.example/?token=${secret}`), {
    request: { headers: { authorization: `Bearer ${secret}` } }
  })
  const error = new RegistryError.TransportError({
    operation: "GetBlob",
    repository,
    reference: digest,
    registry: "registry.example",
    method: "GET",
    url: "https://registry.example/v2/",
    cause
  })

  it.each([
    { name: "as a string", written: String(error) },
    { name: "as JSON", written: JSON.stringify(error) },
    {
      name: "as JSON within another",
      written: JSON.stringify(new RegistryError.PartialFailure({ outcomes: [{ name: "a", error }] }))
    },
    { name: "as a cause", written: Cause.pretty(Cause.fail(error)) },
    { name: "as an exit", written: JSON.stringify(Exit.fail(error)) },
    { name: "with other fields", written: JSON.stringify(RegistryError.withFields(error, { status: 500 })) }
  ])("$name holds nothing of its cause", ({ written }) => {
    expect(written).toContain("OciTransportError")
    expect(written).not.toContain("CANARY")
  })

  it("never contains a cause in JSON", () => {
    expect(JSON.parse(JSON.stringify(new RegistryError.BodyFailed({ cause: 0 })))).toEqual({
      _tag: "OciBodyFailed",
      message: "the body to send failed"
    })
  })

  it("contains its tag and all of its fields in JSON", () => {
    expect(JSON.parse(JSON.stringify(error))).toEqual({
      _tag: "OciTransportError",
      message: `GetBlob team/app@${digest}: the registry cannot be reached`,
      operation: "GetBlob",
      repository: "team/app",
      reference: digest,
      registry: "registry.example",
      method: "GET",
      url: "https://registry.example/v2/"
    })
  })
})

describe("RegistryError.isRegistryError", () => {
  it.each([
    { name: "nothing", value: undefined },
    { name: "an error", value: new Error("OciBlobUnknown") },
    { name: "a look-alike", value: { _tag: "OciBlobUnknown" } },
    { name: "a tag that every object has", value: { _tag: "constructor" } },
    { name: "a tag that is not text", value: { _tag: 1 } },
    { name: "another tagged error", value: new SyntaxInvalid({ expected: "tag", text: "", reason: "" }) }
  ])("is not $name", ({ value }) => {
    expect(RegistryError.isRegistryError(value)).toBe(false)
  })
})

describe("RegistryError.isTransient", () => {
  it.each([400, 404, 405, 501, 505, 507])("is false for status %d with any code", (status) => {
    expect(RegistryError.isTransient(new RegistryError.UnknownCode({ code: "ODD", status }))).toBe(false)
  })

  it.each([408, 429, 500, 502, 503, 504])("is true for status %d with any code", (status) => {
    expect(RegistryError.isTransient(new RegistryError.UnknownCode({ code: "ODD", status }))).toBe(true)
  })

  const down = { name: "down", error: new RegistryError.Unavailable({}) }
  const denied = { name: "denied", error: new RegistryError.Denied({}) }
  const fine = { name: "fine", error: undefined }
  it.each([
    { name: "all that failed may pass", outcomes: [fine, down, down], transient: true },
    { name: "one failure will stay", outcomes: [fine, down, denied], transient: false },
    { name: "nothing failed", outcomes: [fine], transient: false }
  ])("of a partial failure asks each member: $name", ({ outcomes, transient }) => {
    expect(RegistryError.isTransient(new RegistryError.PartialFailure({ outcomes }))).toBe(transient)
  })
})

describe("RegistryError.fromSyntax", () => {
  it.each(
    [
      { expected: "tag", tag: "OciTagInvalid" },
      { expected: "tag glob", tag: "OciTagInvalid" },
      { expected: "digest", tag: "OciDigestInvalid" },
      { expected: "repository name", tag: "OciNameInvalid" },
      { expected: "repository prefix", tag: "OciNameInvalid" },
      { expected: "reference", tag: "OciNameInvalid" },
      { expected: "registry", tag: "OciNameInvalid" },
      { expected: "descriptor", tag: "OciManifestInvalid" },
      { expected: "manifest", tag: "OciManifestInvalid" },
      { expected: "media type", tag: "OciManifestInvalid" }
    ] as const
  )("of a $expected is $tag", ({ expected, tag }) => {
    const error = RegistryError.fromSyntax(
      new SyntaxInvalid({ expected, text: "\u001b!", reason: "it is odd" }),
      { operation: "GetManifest", repository }
    )
    expect(error._tag).toBe(tag)
    expect(error.message).toBe(`GetManifest team/app: invalid ${expected} "\\u001b!": it is odd`)
  })
})

describe("RegistryError.digestMismatch", () => {
  it("names the requested digest, and the digest of the content", () => {
    const other = Digest.fromBytes(new Uint8Array(1))
    expect(RegistryError.digestMismatch(digest, other).message).toBe(
      `${digest}: content does not match its digest, it has ${other}`
    )
    const error = RegistryError.digestMismatch(digest, other, { operation: "CompleteUpload", repository })
    expect(error.message).toBe(
      `CompleteUpload team/app@${digest}: content does not match its digest, it has ${other}`
    )
  })
})

describe("schema", () => {
  it.each(Object.values(errors).map(({ error }) => [error._tag, error] as const))(
    "%s is the same after JSON",
    (_, error) => {
      const full = RegistryError.withFields<RegistryError.RegistryError>(error, {
        operation: "GetManifest",
        repository,
        reference: "v1",
        reason: "why",
        detail: { deep: [1] },
        status: 418,
        registry: "registry.example",
        diagnostics: [{ code: "ODD" }],
        retryAfter: 1000,
        cause: new Error("CANARY")
      })
      const json = JSON.stringify(Schema.encodeSync(RegistryError.schema)(full))
      expect(json).not.toContain("CANARY")
      const again = Schema.decodeUnknownSync(RegistryError.schema)(JSON.parse(json))
      expect(RegistryError.isRegistryError(again)).toBe(true)
      expect([again._tag, { ...again }]).toEqual([error._tag, { ...full }])
    }
  )

  it("refuses values that are not errors", () => {
    for (
      const json of [null, {}, { _tag: "Odd" }, { _tag: "OciRefused" }, {
        _tag: "OciTagConflict",
        tag: "no tag",
        members: []
      }]
    ) {
      expect(Schema.decodeUnknownEither(RegistryError.schema)(json)._tag).toBe("Left")
    }
  })
})

describe("mapText", () => {
  it("changes every text of an error and of the errors in it, but not the operation", () => {
    const errorWith = (text: string) =>
      new RegistryError.PartialFailure({
        operation: "PushBlob",
        reason: text,
        status: 500,
        detail: { [text]: [text, 1, null, { deep: text }] },
        diagnostics: [{ code: "DENIED", message: `${text}${text}` }],
        outcomes: [{ name: "near", error: new RegistryError.TransportError({ operation: "GetBlob", url: text }) }]
      })
    const mapped = RegistryError.mapText(errorWith("Blob"), (text) => text.replaceAll("Blob", "…"))
    expect(mapped).toStrictEqual(errorWith("…"))
  })
})
