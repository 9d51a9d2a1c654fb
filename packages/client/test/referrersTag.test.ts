/** Referrers at registries that do not support the referrers API. */
import { Digest, MediaType, RegistryError, Tag } from "@effect-oci/core"
import type { Registry } from "@effect-oci/core"
import { connect, routes, serve } from "@effect-oci/testing/NodeScripted"
import type { Answer, ReceivedRequest } from "@effect-oci/testing/NodeScripted"
import {
  encode,
  failure,
  image,
  imageDescriptor,
  index,
  repository,
  sbomReferrer,
  signature,
  signatureDescriptor,
  signatureReferrer,
  tag
} from "@effect-oci/testing/Samples"
import { describe, expect, it } from "@effect/vitest"
import { Chunk, Effect, Stream } from "effect"
import { tagOf } from "../src/internal/referrersTag.js"

const fallback = tagOf(imageDescriptor.digest)

const list = (registry: Registry.Service, artifactType?: string) =>
  Effect.map(
    Stream.runCollect(registry.listReferrers(repository, imageDescriptor.digest, { artifactType })),
    Chunk.toReadonlyArray
  )

describe("the referrers tag of a digest", () => {
  const hex = "0123456789abcdef".repeat(4)
  /**
   * The examples of the
   * [spec](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#referrers-tag-schema).
   */
  const vectors: ReadonlyArray<readonly [digest: string, tag: string]> = [
    [`sha256:${hex}`, `sha256-${hex}`],
    [`sha512:${hex}${hex}`, `sha512-${hex}`],
    [
      "test+algorithm+using+algorithm+separators+and+lots+of+characters+to+excercise+overall+truncation:" +
      "alsoSome=InTheEncodeSectionToShow-ReplacementAndLotsAndLotsOfCharactersToExcerciseEncodedTruncation",
      "test-algorithm-using-algorithm-s-alsoSome-InTheEncodeSectionToShow-ReplacementAndLotsAndLotsOfCha"
    ]
  ]
  it.each(vectors)("%s", (digest, tag) => {
    expect(tagOf(Digest.make(digest))).toBe(tag)
    expect(Tag.is(tag)).toBe(true)
  })
})

describe("the list of referrers of a registry without the referrers API", () => {
  const cases: ReadonlyArray<{
    readonly name: string
    readonly answer: Answer
    readonly referrers: ReadonlyArray<unknown>
  }> = [
    {
      name: "is read from the referrers tag",
      answer: {
        status: 200,
        headers: { "content-type": MediaType.index },
        body: index(signatureReferrer, sbomReferrer)
      },
      referrers: [signatureReferrer, sbomReferrer]
    },
    { name: "is empty without a tag", answer: { status: 404, body: failure("MANIFEST_UNKNOWN", "no") }, referrers: [] },
    {
      name: "is empty if the tag is not an index",
      answer: { status: 200, headers: { "content-type": MediaType.image }, body: image },
      referrers: []
    },
    {
      name: "is empty if the tag is not JSON",
      answer: { status: 200, headers: { "content-type": MediaType.index }, body: "rubbish" },
      referrers: []
    }
  ]
  it.scoped.each(cases)("$name", ({ answer, referrers }) =>
    Effect.gen(function*() {
      const server = yield* serve(routes({ [`GET /v2/team/app/manifests/${fallback}`]: answer }))
      const registry = yield* connect(server)
      expect(yield* list(registry)).toEqual(referrers)
      expect(yield* list(registry, sbomReferrer.artifactType)).toEqual(
        referrers.filter((referrer) => referrer === sbomReferrer)
      )
    }))

  it.scoped("fails if the tag cannot be read", () =>
    Effect.gen(function*() {
      const server = yield* serve(routes({ [`GET /v2/team/app/manifests/${fallback}`]: { status: 403 } }))
      const registry = yield* connect(server)
      const error = yield* Effect.flip(list(registry))
      expect(error).toMatchObject({
        _tag: "OciDenied",
        operation: "ListReferrers",
        repository,
        reference: imageDescriptor.digest
      })
    }))

  it.scoped("is empty if the registry answers NAME_UNKNOWN (rule 84)", () =>
    Effect.gen(function*() {
      const server = yield* serve(() => ({ status: 404, body: failure("NAME_UNKNOWN", "no such repository") }))
      const registry = yield* connect(server)
      expect(yield* list(registry)).toEqual([])
    }))

  it.scoped("is empty if the tag resolves to the subject itself, as at GitLab", () =>
    Effect.gen(function*() {
      const subject = encode(index(signatureReferrer))
      const server = yield* serve(routes({
        [`GET /v2/team/app/manifests/${tagOf(Digest.fromBytes(subject))}`]: {
          status: 200,
          headers: { "content-type": MediaType.index },
          body: subject
        }
      }))
      const registry = yield* connect(server)
      const referrers = registry.listReferrers(repository, Digest.fromBytes(subject))
      expect(Chunk.toReadonlyArray(yield* Stream.runCollect(referrers))).toEqual([])
    }))

  const page = "<!doctype html><title>Sign in</title>"
  const html = { "content-type": "text/html" }
  /** Answers to a request for referrers from registries without the API. `elsewhere` is another host. */
  const noApi: ReadonlyArray<readonly [name: string, answer: (elsewhere: string) => Answer]> = [
    ["an HTML page", () => ({ status: 200, headers: html, body: page })],
    ["an empty object", () => ({ status: 200, body: "{}" })],
    ["another list", () => ({ status: 200, body: `{"referrers":[]}` })],
    ["manifests that are not a list", () => ({ status: 200, body: `{"manifests":{}}` })],
    ["400 and an HTML page", () => ({ status: 400, headers: html, body: page })],
    ["401", () => ({ status: 401 })],
    ["405", () => ({ status: 405 })],
    ["501", () => ({ status: 501 })],
    ["a redirect to an HTML page", (to) => ({ status: 307, headers: { location: `${to}/page` } })],
    ["a redirect to a host that is busy", (to) => ({ status: 303, headers: { location: `${to}/busy` } })],
    ["a redirect to a closed port", () => ({ status: 307, headers: { location: "http://127.0.0.1:1/" } })],
    ["a redirect to itself", () => ({ status: 307, headers: { location: "" } })]
  ]
  it.scoped.each(noApi)("is read from the tag if the registry answers %s", ([, answer]) =>
    Effect.gen(function*() {
      const elsewhere = yield* serve(({ target }) =>
        target === "/busy" ? { status: 429 } : { status: 200, headers: html, body: page }
      )
      const server = yield* serve(routes({
        [`GET /v2/team/app/referrers/${imageDescriptor.digest}`]: answer(elsewhere.origin),
        [`GET /v2/team/app/manifests/${fallback}`]: {
          status: 200,
          headers: { "content-type": MediaType.index },
          body: index(signatureReferrer)
        }
      }))
      const registry = yield* connect(server, { allowPrivate: true })
      expect(yield* list(registry)).toEqual([signatureReferrer])
    }))

  it.scoped("fails if the registry answers 500", () =>
    Effect.gen(function*() {
      const server = yield* serve(() => ({ status: 500 }))
      const registry = yield* connect(server)
      expect(yield* Effect.flip(list(registry))).toMatchObject({ status: 500, operation: "ListReferrers" })
      expect(server.requests.length).toBe(1)
    }))

  it.scoped("does not read the tag if the registry answers 403", () =>
    Effect.gen(function*() {
      const server = yield* serve(() => ({ status: 403 }))
      const registry = yield* connect(server)
      expect((yield* Effect.flip(list(registry)))._tag).toBe("OciDenied")
      expect(server.requests.length).toBe(1)
    }))
})

it.scoped("filters only the pages that the registry did not filter, and returns each referrer once", () =>
  Effect.gen(function*() {
    const path = `/v2/team/app/referrers/${imageDescriptor.digest}`
    const server = yield* serve((_, count) => ({
      status: 200,
      headers: count === 0
        ? { "oci-filters-applied": "artifactType", link: `<${path}?page=2>; rel="next"` }
        : {},
      body: index(count === 0 ? sbomReferrer : signatureReferrer, sbomReferrer)
    }))
    const registry = yield* connect(server)
    expect(yield* list(registry, sbomReferrer.artifactType)).toEqual([sbomReferrer])
  }))

/**
 * A registry that stores manifests and tags, and does not support referrers. It checks the conditions of a push, ignores
 * them, or answers a push with conditions with a status.
 */
const old = (conditions: "checks" | "ignores" | 400 | 405 | 412 | 501 = "ignores") => {
  const manifests = new Map<string, { readonly mediaType: string; readonly bytes: Buffer }>()
  /** Returns the status of a push whose condition does not hold, or is not supported. */
  const refusal = (headers: ReceivedRequest["headers"], current: Buffer | undefined) => {
    const { "if-match": match, "if-none-match": noneMatch } = headers
    if (conditions === "ignores" || (match === undefined && noneMatch === undefined)) return undefined
    if (conditions !== "checks") return conditions
    const holds = noneMatch === "*"
      ? current === undefined
      : current !== undefined && match === `"${Digest.fromBytes(current)}"`
    return holds ? undefined : 412
  }
  const answer = ({ body, headers, method, target }: ReceivedRequest): Answer => {
    const reference = target.split("?")[0]!.split("/manifests/")[1]
    if (reference === undefined) return { status: 404 }
    const kept = manifests.get(reference)
    switch (method) {
      case "PUT": {
        const status = refusal(headers, kept?.bytes)
        if (status !== undefined) return { status, body: failure("UNSUPPORTED", "the condition") }
        const manifest = { mediaType: headers["content-type"] ?? "", bytes: body }
        manifests.set(reference, manifest)
        manifests.set(Digest.fromBytes(body), manifest)
        return { status: 201 }
      }
      case "DELETE":
        return { status: manifests.delete(reference) ? 202 : 404 }
      default:
        return kept === undefined
          ? { status: 404, body: failure("MANIFEST_UNKNOWN", "no") }
          : { status: 200, headers: { "content-type": kept.mediaType }, body: kept.bytes }
    }
  }
  return { answer, manifests }
}

const push = (registry: Registry.Service, bytes: Uint8Array) =>
  registry.pushManifest(repository, { mediaType: MediaType.image, bytes })

describe("a manifest with a subject", () => {
  it.scoped("is listed once when it is pushed, and removed when it is deleted", () =>
    Effect.gen(function*() {
      const server = yield* serve(old().answer)
      const registry = yield* connect(server)
      yield* push(registry, image)
      yield* push(registry, signature)
      expect(yield* list(registry)).toEqual([signatureReferrer])
      yield* push(registry, signature)
      expect(yield* list(registry)).toEqual([signatureReferrer])
      yield* registry.deleteManifest(repository, signatureDescriptor.digest)
      expect(yield* list(registry)).toEqual([])
      expect(server.lines()).not.toContain(`DELETE /v2/team/app/manifests/${fallback}`)
    }))

  it.scoped("is added to the existing list, whose annotations are kept", () =>
    Effect.gen(function*() {
      const { answer, manifests } = old()
      const bytes = Buffer.from(JSON.stringify({
        schemaVersion: 2,
        mediaType: MediaType.index,
        manifests: [sbomReferrer],
        annotations: { kept: "yes" }
      }))
      manifests.set(fallback, { mediaType: MediaType.index, bytes })
      const registry = yield* connect(yield* serve(answer))
      yield* push(registry, signature)
      const document: unknown = JSON.parse(manifests.get(fallback)!.bytes.toString())
      expect(document).toMatchObject({ manifests: [sbomReferrer, signatureReferrer], annotations: { kept: "yes" } })
    }))

  it.scoped("fails to be pushed if the tag is not a list, and does not overwrite the tag", () =>
    Effect.gen(function*() {
      const { answer, manifests } = old()
      manifests.set(fallback, { mediaType: MediaType.image, bytes: Buffer.from(signature) })
      const registry = yield* connect(yield* serve(answer))
      const error = yield* Effect.flip(push(registry, signature))
      expect(error).toMatchObject({ _tag: "OciManifestInvalid", operation: "PushManifest", repository })
      expect(manifests.get(fallback)?.mediaType).toBe(MediaType.image)
    }))

  it.scoped("is pushed but not listed if the tag resolves to the subject itself, as at GitLab", () =>
    Effect.gen(function*() {
      const { answer, manifests } = old()
      manifests.set(fallback, { mediaType: MediaType.image, bytes: Buffer.from(image) })
      const server = yield* serve(answer)
      const registry = yield* connect(server)
      const pushed = yield* push(registry, signature)
      expect(pushed).toMatchObject({ digest: signatureDescriptor.digest })
      expect(pushed.subject).toBeUndefined()
      expect(manifests.get(fallback)?.bytes.toString()).toBe(new TextDecoder().decode(image))
    }))

  it.scoped("is not listed by the client if the registry answers with OCI-Subject", () =>
    Effect.gen(function*() {
      const server = yield* serve(({ method }) =>
        method === "PUT" ? { status: 201, headers: { "oci-subject": imageDescriptor.digest } } : { status: 202 }
      )
      const registry = yield* connect(server)
      expect((yield* push(registry, signature)).subject).toBe(imageDescriptor.digest)
      yield* registry.deleteManifest(repository, signatureDescriptor.digest)
      expect(server.lines()).toEqual([
        `PUT /v2/team/app/manifests/${signatureDescriptor.digest}`,
        `DELETE /v2/team/app/manifests/${signatureDescriptor.digest}`
      ])
    }))

  it.scoped("is listed together with others that are pushed at the same time", () =>
    Effect.gen(function*() {
      const { answer } = old()
      const registry = yield* connect(yield* serve(answer))
      const many = Array.from({ length: 8 }, (_, at) =>
        encode(new TextDecoder().decode(signature).replace("somebody", `somebody ${at}`)))
      yield* Effect.forEach(many, (bytes) =>
        push(registry, bytes), { concurrency: "unbounded" })
      const listed = yield* list(registry)
      expect(listed.map(({ digest }) => digest).sort()).toEqual(many.map((bytes) => Digest.fromBytes(bytes)).sort())
    }))

  it.scoped("is listed together with those of other clients, at a registry that checks conditions (T30)", () =>
    Effect.gen(function*() {
      const { answer, manifests } = old("checks")
      const server = yield* serve(answer)
      const clients = yield* Effect.all([connect(server), connect(server)])
      const many = Array.from(
        { length: 12 },
        (_, at) => encode(new TextDecoder().decode(signature).replace("somebody", `somebody ${at}`))
      )
      yield* Effect.forEach(many, (bytes, at) => push(clients[at % 2]!, bytes), { concurrency: "unbounded" })
      const listed = JSON.parse(manifests.get(fallback)!.bytes.toString()) as {
        readonly manifests: ReadonlyArray<{ readonly digest: string }>
      }
      expect(listed.manifests.map(({ digest }) => digest).sort())
        .toEqual(many.map((bytes) => Digest.fromBytes(bytes)).sort())
      const writes = server.requests.filter(({ method, target }) => method === "PUT" && target.endsWith(fallback))
      expect(writes.every(({ headers }) => headers["if-match"] !== undefined || headers["if-none-match"] === "*"))
        .toBe(true)
      yield* Effect.forEach(many, (bytes, at) => clients[at % 2]!.deleteManifest(repository, Digest.fromBytes(bytes)), {
        concurrency: "unbounded"
      })
      expect(yield* list(clients[0])).toEqual([])
    }))

  it.scoped.each([400, 405, 412, 501] as const)(
    "is listed by a write without conditions if the registry answers a write with conditions with %i",
    (status) =>
      Effect.gen(function*() {
        const registry = yield* connect(yield* serve(old(status).answer))
        yield* push(registry, signature)
        expect(yield* list(registry)).toEqual([signatureReferrer])
        yield* registry.deleteManifest(repository, signatureDescriptor.digest)
        expect(yield* list(registry)).toEqual([])
      })
  )

  it.scoped("is listed again if another client overwrites the list, and fails if that continues", () =>
    Effect.gen(function*() {
      const { answer, manifests } = old()
      let times = 2
      const forgetful = (request: ReceivedRequest): Answer => {
        const answered = answer(request)
        if (request.method === "PUT" && request.target.endsWith(fallback) && times-- > 0) manifests.delete(fallback)
        return answered
      }
      const registry = yield* connect(yield* serve(forgetful))
      yield* push(registry, signature)
      expect(yield* list(registry)).toEqual([signatureReferrer])
      times = Number.POSITIVE_INFINITY
      manifests.delete(fallback)
      const error = yield* Effect.flip(push(registry, signature))
      expect(error).toMatchObject({ _tag: "OciUnavailable", operation: "PushManifest" })
      expect(RegistryError.isTransient(error)).toBe(true)
    }))

  it.scoped("is deleted if the caller may delete but not read", () =>
    Effect.gen(function*() {
      const server = yield* serve(({ method }) => ({ status: method === "DELETE" ? 202 : 403 }))
      const registry = yield* connect(server)
      yield* registry.deleteManifest(repository, signatureDescriptor.digest)
      expect(server.requests.length).toBe(2)
    }))
})

it.scoped("a manifest without a subject is pushed with one request", () =>
  Effect.gen(function*() {
    const server = yield* serve(old().answer)
    const registry = yield* connect(server)
    yield* registry.pushManifest(repository, { mediaType: MediaType.image, bytes: image, tags: [tag] })
    expect(server.lines()).toEqual(["PUT /v2/team/app/manifests/v1"])
  }))
