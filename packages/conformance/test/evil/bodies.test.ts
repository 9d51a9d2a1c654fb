/** Content that is not what it is said to be, or does not end: CVE-2025-24882, CVE-2017-11468, CVE-2020-1702. */
import type { Registry } from "@effect-oci/core"
import { Digest, MediaType, RegistryError } from "@effect-oci/core"
import { describe, expect } from "@effect/vitest"
import { Cause, Effect, Exit, Stream } from "effect"
import { gzipSync } from "node:zlib"
import type * as EvilRegistry from "../../src/EvilRegistry.js"
import { alice, behindBasic, blob, connect, digest, evilEach, image, imageDigest, repository, tag } from "./setup.js"
import type { Evil, Options } from "./setup.js"

type Ask = (registry: Registry.Service) => Effect.Effect<unknown, unknown>

/** What a client makes of an answer, from behind a password; and whether its connections were closed in the end. */
const answering = (evil: Evil, answer: EvilRegistry.Answer | EvilRegistry.Script, ask: Ask, options?: Options) =>
  Effect.gen(function*() {
    const password = evil.secret()
    const script = typeof answer === "function" ? answer : () => answer
    const home = yield* evil.site({ host: "registry.example" }, behindBasic(password, script))
    evil.belongs(password, home)
    const registry = yield* connect(evil, home, { credentials: alice(home, password), ...options })
    const exit = yield* evil.ask(ask(registry))
    return { exit, home }
  })

const errorOf = (exit: Exit.Exit<unknown, unknown>): RegistryError.RegistryError | undefined => {
  const error = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
  return RegistryError.isRegistryError(error) ? error : undefined
}

/** Reads a blob, and gives what came of it before it ended or failed. */
const read = (range?: { readonly offset: number; readonly length: number }): Ask => (registry) =>
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

describe("a blob that is not what was asked for is an error", () => {
  const answers: ReadonlyArray<readonly [name: string, answer: EvilRegistry.Answer, tags: ReadonlyArray<string>]> = [
    ["of no bytes", { status: 200, body: "" }, ["DigestInvalid"]],
    ["cut after one", { status: 200, headers: length(size), body: text.slice(0, 1), ending: "break" }, [
      "TransportError"
    ]],
    ["cut before the last", { status: 200, headers: length(size), body: text.slice(0, -1), ending: "break" }, [
      "TransportError"
    ]],
    ["cut, without a length", { status: 200, body: text.slice(0, -1), ending: "break" }, [
      "TransportError",
      "ResponseInvalid"
    ]],
    ["one byte short", { status: 200, body: text.slice(0, -1) }, ["DigestInvalid"]],
    ["one byte long", { status: 200, body: `${text}!` }, ["DigestInvalid"]],
    ["another of the same length", { status: 200, body: text.toUpperCase() }, ["DigestInvalid"]],
    [
      "another that says that it is this",
      { status: 200, headers: { "docker-content-digest": digest }, body: text.toUpperCase() },
      ["DigestInvalid"]
    ],
    ["packed by somebody on the way", { status: 200, headers: { "content-encoding": "gzip" }, body: gzipSync(blob) }, [
      "DigestInvalid",
      "ResponseInvalid",
      "SizeInvalid"
    ]],
    ["a part that nobody asked for", {
      status: 206,
      headers: { "content-range": `bytes 0-3/${size}` },
      body: text.slice(0, 4)
    }, ["ResponseInvalid"]],
    ["a length that is none", { status: 200, headers: { "content-length": "0" }, body: "" }, ["DigestInvalid"]],
    ["nothing, and no content", { status: 204 }, ["ResponseInvalid"]]
  ]
  evilEach(answers, ([name]) => name, ([, answer, tags], evil) =>
    Effect.gen(function*() {
      const { exit } = yield* answering(evil, answer, read())
      expect(tags).toContain(errorOf(exit)?._tag)
    }))
})

describe("a range that is not what was asked for is never taken for it", () => {
  const [offset, wanted] = [3, 5]
  const expected = text.slice(offset, offset + wanted)
  const range = (from: number, to: number, all: number | string = size) => ({
    "content-range": `bytes ${from}-${to}/${all}`
  })
  const answers: ReadonlyArray<readonly [name: string, answer: EvilRegistry.Answer, isTaken: boolean]> = [
    ["as it should be", { status: 206, headers: range(3, 7), body: expected }, true],
    ["the whole", { status: 200, body: text }, true],
    ["another", { status: 206, headers: range(4, 8), body: text.slice(4, 9) }, false],
    ["a shorter one", { status: 206, headers: range(3, 6), body: text.slice(3, 7) }, false],
    ["a longer one", { status: 206, headers: range(3, 8), body: text.slice(3, 9) }, false],
    ["without saying which", { status: 206, body: expected }, false],
    ["of another unit", { status: 206, headers: { "content-range": `lines 3-7/${size}` }, body: expected }, false],
    ["of more bytes than it says", { status: 206, headers: range(3, 7), body: text.slice(3) }, false],
    ["of fewer bytes than it says", { status: 206, headers: range(3, 7), body: text.slice(3, 5) }, false],
    ["cut", { status: 206, headers: { ...range(3, 7), ...length(5) }, body: text.slice(3, 5), ending: "break" }, false],
    [
      "the whole, cut before its end",
      { status: 200, headers: length(size), body: text.slice(0, 5), ending: "break" },
      false
    ],
    ["that cannot be", { status: 206, headers: range(7, 3), body: expected }, false],
    ["none", { status: 416, headers: { "content-range": "bytes */2" } }, false]
  ]
  evilEach(answers, ([name]) => name, ([, answer, isTaken], evil) =>
    Effect.gen(function*() {
      const { exit } = yield* answering(evil, answer, read({ offset, length: wanted }))
      if (isTaken) expect(exit).toEqual(Exit.succeed(expected))
      else expect(errorOf(exit)).toBeDefined()
    }))
})

const pull: Ask = (registry) => registry.getManifest(repository, imageDigest)
const pullTag: Ask = (registry) => registry.getManifest(repository, tag)
const other = new TextEncoder().encode(`{"schemaVersion":2,"mediaType":"${MediaType.index}","manifests":[]}`)

describe("a manifest that is not what was asked for is an error", () => {
  const type = { "content-type": MediaType.image }
  const answers: ReadonlyArray<readonly [name: string, ask: Ask, answer: EvilRegistry.Answer]> = [
    ["another", pull, { status: 200, headers: { "content-type": MediaType.index }, body: other }],
    [
      "another that says that it is this",
      pull,
      { status: 200, headers: { "content-type": MediaType.index, "docker-content-digest": imageDigest }, body: other }
    ],
    [
      "one that is not what its header says",
      pullTag,
      { status: 200, headers: { ...type, "docker-content-digest": Digest.fromBytes(other) }, body: image }
    ],
    ["cut", pullTag, {
      status: 200,
      headers: { ...type, ...length(image.byteLength) },
      body: image.slice(0, -1),
      ending: "break"
    }],
    ["longer than may be", pullTag, {
      status: 200,
      headers: { ...type, ...length(9 * 1024 * 1024) },
      body: image,
      ending: "stall"
    }]
  ]
  evilEach(answers, ([name]) => name, ([, ask, answer], evil) =>
    Effect.gen(function*() {
      expect(errorOf((yield* answering(evil, answer, ask)).exit)).toBeDefined()
    }))
})

describe("a manifest that others would read as another is an error, by tag and by digest (CVE-2021-41190)", () => {
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
    ["an image that says that it is an index", MediaType.image, { mediaType: MediaType.index, config, layers: [] }],
    ["an image with Manifests", MediaType.image, { mediaType: MediaType.image, config, layers: [], Manifests: [entry] }]
  ]
  evilEach(documents, ([name]) => name, ([, sentAs, document], evil) =>
    Effect.gen(function*() {
      const body = new TextEncoder().encode(JSON.stringify({ schemaVersion: 2, ...document }))
      const answer = { status: 200, headers: { "content-type": sentAs }, body }
      for (const reference of [tag, Digest.fromBytes(body)]) {
        const { exit } = yield* answering(evil, answer, (registry) => registry.getManifest(repository, reference))
        expect(errorOf(exit)?._tag).toBe("ManifestInvalid")
      }
    }))
})

const readers: { readonly [name: string]: Ask } = {
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

/** Waits until no answer is on its way any more, by real time. */
const closed = (site: EvilRegistry.Site) =>
  Effect.repeat(Effect.delay(Effect.sync(site.pending), 5), { until: (pending) => pending === 0, times: 400 })

describe("what does not end is read to a limit, and its connection closed:", () => {
  evilEach(Object.entries(readers), ([name]) => name, ([name, ask], evil) =>
    Effect.gen(function*() {
      const endless = { status: 200, headers: typed(name), body: " ".repeat(65_536), ending: "repeat" } as const
      const { exit, home } = yield* answering(evil, endless, ask)
      expect(["SizeInvalid", "ResponseInvalid"]).toContain(errorOf(exit)?._tag)
      expect(yield* closed(home)).toBe(0)
    }))

  evilEach([400, 404, 500, 503], (status) => `an error of ${status}`, (status, evil) =>
    Effect.gen(function*() {
      const endless = { status, body: `{"errors":[${" ".repeat(65_536)}`, ending: "repeat" } as const
      const { exit, home } = yield* answering(evil, endless, pullTag)
      expect(errorOf(exit)).toMatchObject({ status, diagnostics: [] })
      expect(yield* closed(home)).toBe(0)
    }))

  evilEach([301, 401], (status) => `the body of a ${status}`, (status, evil) =>
    Effect.gen(function*() {
      const password = evil.secret()
      const home = yield* evil.site({ host: "registry.example" }, (asked, count) =>
        count > 0 && !(status === 301 && count === 1)
          ? behindBasic(password, () => ({ status: 200, headers: typed("a manifest"), body: image }))(asked, count)
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
      expect(Exit.isSuccess(yield* evil.ask(registry.getManifest(repository, tag)))).toBe(true)
    }))
})

describe("what stands still is given up, and its connection closed:", () => {
  const stalls = [...Object.entries(readers), ["a blob", read()] as const]
  evilEach(stalls, ([name]) => name, ([name, ask], evil) =>
    Effect.gen(function*() {
      const stalled = { status: 200, headers: { ...typed(name), ...length(1000) }, body: "{", ending: "stall" } as const
      const { exit, home } = yield* answering(evil, stalled, ask, { idle: "100 millis" })
      expect(errorOf(exit)).toMatchObject({ _tag: "TransportError" })
      expect(yield* closed(home)).toBe(0)
    }))

  evilEach([404, 503], (status) => `an error of ${status}`, (status, evil) =>
    Effect.gen(function*() {
      const stalled = { status, headers: length(1000), body: "{", ending: "stall" } as const
      const { exit, home } = yield* answering(evil, stalled, pullTag, { idle: "100 millis" })
      expect(errorOf(exit)).toMatchObject({ status })
      expect(yield* closed(home)).toBe(0)
    }))
})
