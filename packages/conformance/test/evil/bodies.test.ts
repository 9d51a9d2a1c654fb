/** Content with the wrong digest or size, or without an end: CVE-2025-24882, CVE-2017-11468, CVE-2020-1702. */
import type { Registry } from "@effect-oci/core"
import { Digest, MediaType, RegistryError } from "@effect-oci/core"
import { describe, expect } from "@effect/vitest"
import { Cause, Effect, Exit, Stream } from "effect"
import { gzipSync } from "node:zlib"
import type * as EvilRegistry from "../../src/EvilRegistry.js"
import { alice, behindBasic, blob, connect, digest, evilEach, image, imageDigest, repository, tag } from "./setup.js"
import type { Evil, Options } from "./setup.js"

type Call = (registry: Registry.Service) => Effect.Effect<unknown, unknown>

/** Creates a registry that requires a password and sends this answer, and runs a call of a client. */
const answering = (evil: Evil, answer: EvilRegistry.Response | EvilRegistry.Script, call: Call, options?: Options) =>
  Effect.gen(function*() {
    const password = evil.secret()
    const script = typeof answer === "function" ? answer : () => answer
    const home = yield* evil.site({ host: "registry.example" }, behindBasic(password, script))
    evil.belongs(password, home)
    const registry = yield* connect(evil, home, { credentials: alice(home, password), ...options })
    const exit = yield* evil.run(call(registry))
    return { exit, home }
  })

const errorOf = (exit: Exit.Exit<unknown, unknown>): RegistryError.RegistryError | undefined => {
  const error = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
  return RegistryError.isRegistryError(error) ? error : undefined
}

/** Reads a blob or a range of it, and returns the content. */
const read = (range?: { readonly offset: number; readonly length: number }): Call => (registry) =>
  Effect.scoped(Effect.gen(function*() {
    const content = yield* registry.getBlob(
      repository,
      digest,
      range === undefined ? undefined : { range: range as never }
    )
    return Buffer.concat([...(yield* Stream.runCollect(content.stream))]).toString()
  }))

const text = Buffer.from(blob).toString()
const size = blob.byteLength
const length = (bytes: number) => ({ "content-length": String(bytes) })

describe("the read of a blob fails if the content is", () => {
  const answers: ReadonlyArray<readonly [name: string, answer: EvilRegistry.Response, tags: ReadonlyArray<string>]> = [
    ["empty", { status: 200, body: "" }, ["OciDigestInvalid"]],
    ["truncated after one byte", { status: 200, headers: length(size), body: text.slice(0, 1), ending: "break" }, [
      "OciTransportError"
    ]],
    [
      "truncated before the last byte",
      { status: 200, headers: length(size), body: text.slice(0, -1), ending: "break" },
      [
        "OciTransportError"
      ]
    ],
    ["truncated, without Content-Length", { status: 200, body: text.slice(0, -1), ending: "break" }, [
      "OciTransportError",
      "OciResponseInvalid"
    ]],
    ["one byte too short", { status: 200, body: text.slice(0, -1) }, ["OciDigestInvalid"]],
    ["one byte too long", { status: 200, body: `${text}!` }, ["OciDigestInvalid"]],
    ["other content of the same length", { status: 200, body: text.toUpperCase() }, ["OciDigestInvalid"]],
    [
      "other content with the requested digest in the header",
      { status: 200, headers: { "docker-content-digest": digest }, body: text.toUpperCase() },
      ["OciDigestInvalid"]
    ],
    ["compressed by a proxy", { status: 200, headers: { "content-encoding": "gzip" }, body: gzipSync(blob) }, [
      "OciDigestInvalid",
      "OciResponseInvalid",
      "OciSizeInvalid"
    ]],
    ["a range, although none was requested", {
      status: 206,
      headers: { "content-range": `bytes 0-3/${size}` },
      body: text.slice(0, 4)
    }, ["OciResponseInvalid"]],
    ["empty, with Content-Length 0", { status: 200, headers: { "content-length": "0" }, body: "" }, [
      "OciDigestInvalid"
    ]],
    ["absent (204)", { status: 204 }, ["OciResponseInvalid"]]
  ]
  evilEach(answers, ([name]) => name, ([, answer, tags], evil) =>
    Effect.gen(function*() {
      const { exit } = yield* answering(evil, answer, read())
      expect(tags).toContain(errorOf(exit)?._tag)
    }))
})

describe("the read of a range fails, or returns the requested bytes, if the response is", () => {
  const [offset, wanted] = [3, 5]
  const expected = text.slice(offset, offset + wanted)
  const range = (from: number, to: number, all: number | string = size) => ({
    "content-range": `bytes ${from}-${to}/${all}`
  })
  const answers: ReadonlyArray<readonly [name: string, answer: EvilRegistry.Response, isTaken: boolean]> = [
    ["the range", { status: 206, headers: range(3, 7), body: expected }, true],
    ["the whole blob", { status: 200, body: text }, true],
    ["another", { status: 206, headers: range(4, 8), body: text.slice(4, 9) }, false],
    ["a shorter range", { status: 206, headers: range(3, 6), body: text.slice(3, 7) }, false],
    ["a longer range", { status: 206, headers: range(3, 8), body: text.slice(3, 9) }, false],
    ["without Content-Range", { status: 206, body: expected }, false],
    ["in another unit", { status: 206, headers: { "content-range": `lines 3-7/${size}` }, body: expected }, false],
    ["longer than its Content-Range", { status: 206, headers: range(3, 7), body: text.slice(3) }, false],
    ["shorter than its Content-Range", { status: 206, headers: range(3, 7), body: text.slice(3, 5) }, false],
    [
      "truncated",
      { status: 206, headers: { ...range(3, 7), ...length(5) }, body: text.slice(3, 5), ending: "break" },
      false
    ],
    [
      "the whole blob, truncated",
      { status: 200, headers: length(size), body: text.slice(0, 5), ending: "break" },
      false
    ],
    ["a range that ends before it starts", { status: 206, headers: range(7, 3), body: expected }, false],
    ["416", { status: 416, headers: { "content-range": "bytes */2" } }, false]
  ]
  evilEach(answers, ([name]) => name, ([, answer, isTaken], evil) =>
    Effect.gen(function*() {
      const { exit } = yield* answering(evil, answer, read({ offset, length: wanted }))
      if (isTaken) expect(exit).toEqual(Exit.succeed(expected))
      else expect(errorOf(exit)).toBeDefined()
    }))
})

const pull: Call = (registry) => registry.getManifest(repository, imageDigest)
const pullTag: Call = (registry) => registry.getManifest(repository, tag)
const other = new TextEncoder().encode(`{"schemaVersion":2,"mediaType":"${MediaType.index}","manifests":[]}`)

describe("the read of a manifest fails if the content is", () => {
  const type = { "content-type": MediaType.image }
  const answers: ReadonlyArray<readonly [name: string, call: Call, answer: EvilRegistry.Response]> = [
    ["another manifest", pull, { status: 200, headers: { "content-type": MediaType.index }, body: other }],
    [
      "other content with the requested digest in the header",
      pull,
      { status: 200, headers: { "content-type": MediaType.index, "docker-content-digest": imageDigest }, body: other }
    ],
    [
      "a manifest that differs from its Docker-Content-Digest",
      pullTag,
      { status: 200, headers: { ...type, "docker-content-digest": Digest.fromBytes(other) }, body: image }
    ],
    ["cut", pullTag, {
      status: 200,
      headers: { ...type, ...length(image.byteLength) },
      body: image.slice(0, -1),
      ending: "break"
    }],
    ["longer than the limit", pullTag, {
      status: 200,
      headers: { ...type, ...length(9 * 1024 * 1024) },
      body: image,
      ending: "stall"
    }]
  ]
  evilEach(answers, ([name]) => name, ([, call, answer], evil) =>
    Effect.gen(function*() {
      expect(errorOf((yield* answering(evil, answer, call)).exit)).toBeDefined()
    }))
})

describe("the read of an ambiguous manifest fails, by tag and by digest (CVE-2021-41190):", () => {
  const config = { mediaType: MediaType.imageConfig, digest: imageDigest, size: 2 }
  const entry = { mediaType: MediaType.image, digest: imageDigest, size: 2 }
  const documents: ReadonlyArray<readonly [name: string, sentAs: string, document: object]> = [
    ["an image with manifests", MediaType.image, {
      mediaType: MediaType.image,
      config,
      layers: [],
      manifests: [entry]
    }],
    ["an index with a config", MediaType.index, { mediaType: MediaType.index, manifests: [], config, layers: [] }],
    ["an index sent as an image", MediaType.image, { mediaType: MediaType.index, manifests: [entry] }],
    ["an image whose mediaType is that of an index", MediaType.image, {
      mediaType: MediaType.index,
      config,
      layers: []
    }],
    ["an image with a field Manifests", MediaType.image, {
      mediaType: MediaType.image,
      config,
      layers: [],
      Manifests: [entry]
    }]
  ]
  evilEach(documents, ([name]) => name, ([, sentAs, document], evil) =>
    Effect.gen(function*() {
      const body = new TextEncoder().encode(JSON.stringify({ schemaVersion: 2, ...document }))
      const answer = { status: 200, headers: { "content-type": sentAs }, body }
      for (const reference of [tag, Digest.fromBytes(body)]) {
        const { exit } = yield* answering(evil, answer, (registry) => registry.getManifest(repository, reference))
        expect(errorOf(exit)?._tag).toBe("OciManifestInvalid")
      }
    }))
})

const readers: { readonly [name: string]: Call } = {
  "a manifest": pullTag,
  "a page of tags": (registry) => Stream.runDrain(registry.listTags(repository)),
  "a page of repositories": (registry) => Stream.runDrain(registry.listRepositories()),
  "a page of referrers": (registry) => Stream.runDrain(registry.listReferrers(repository, imageDigest))
}

const typed = (name: string) => ({
  "content-type": name === "a manifest"
    ? MediaType.image
    : name === "a page of referrers"
    ? MediaType.index
    : "application/json"
})

/** Waits until every response has ended, in real time. */
const closed = (site: EvilRegistry.Site) =>
  Effect.repeat(Effect.delay(Effect.sync(site.pending), 5), { until: (pending) => pending === 0, times: 400 })

describe("a client reads a response without an end up to a limit, and closes the connection:", () => {
  evilEach(Object.entries(readers), ([name]) => name, ([name, call], evil) =>
    Effect.gen(function*() {
      const endless = { status: 200, headers: typed(name), body: " ".repeat(65_536), ending: "repeat" } as const
      const { exit, home } = yield* answering(evil, endless, call)
      expect(["OciSizeInvalid", "OciResponseInvalid"]).toContain(errorOf(exit)?._tag)
      expect(yield* closed(home)).toBe(0)
    }))

  evilEach([400, 404, 500, 503], (status) => `an error with ${status}`, (status, evil) =>
    Effect.gen(function*() {
      const endless = { status, body: `{"errors":[${" ".repeat(65_536)}`, ending: "repeat" } as const
      const { exit, home } = yield* answering(evil, endless, pullTag)
      expect(errorOf(exit)).toMatchObject({ status, diagnostics: [] })
      expect(yield* closed(home)).toBe(0)
    }))

  evilEach([301, 401], (status) => `the body of ${status}`, (status, evil) =>
    Effect.gen(function*() {
      const password = evil.secret()
      const home = yield* evil.site({ host: "registry.example" }, (request, count) =>
        count > 0 && !(status === 301 && count === 1)
          ? behindBasic(password, () => ({ status: 200, headers: typed("a manifest"), body: image }))(request, count)
          : count === 0 && status === 301
          ? { status: 401, headers: { "www-authenticate": "Basic" } }
          : {
            status,
            headers: status === 301 ? { location: "/there" } : { "www-authenticate": "Basic" },
            body: " ".repeat(65_536),
            ending: "repeat"
          })
      evil.belongs(password, home)
      const registry = yield* connect(evil, home, { credentials: alice(home, password) })
      expect(Exit.isSuccess(yield* evil.run(registry.getManifest(repository, tag)))).toBe(true)
    }))
})

describe("a client stops reading a response that stalls, and closes the connection:", () => {
  const stalls = [...Object.entries(readers), ["a blob", read()] as const]
  evilEach(stalls, ([name]) => name, ([name, call], evil) =>
    Effect.gen(function*() {
      const stalled = { status: 200, headers: { ...typed(name), ...length(1000) }, body: "{", ending: "stall" } as const
      const { exit, home } = yield* answering(evil, stalled, call, { idle: "100 millis" })
      expect(errorOf(exit)).toMatchObject({ _tag: "OciTransportError" })
      expect(yield* closed(home)).toBe(0)
    }))

  evilEach([404, 503], (status) => `an error with ${status}`, (status, evil) =>
    Effect.gen(function*() {
      const stalled = { status, headers: length(1000), body: "{", ending: "stall" } as const
      const { exit, home } = yield* answering(evil, stalled, pullTag, { idle: "100 millis" })
      expect(errorOf(exit)).toMatchObject({ status })
      expect(yield* closed(home)).toBe(0)
    }))
})
