/** Uploads and lists that go on elsewhere: CVE-2026-50151, CVE-2026-85732. */
import { RegistryError } from "@effect-oci/core"
import { describe, expect } from "@effect/vitest"
import { Cause, Effect, Exit, Stream } from "effect"
import type * as EvilRegistry from "../../src/EvilRegistry.js"
import {
  alice,
  behindBasic,
  behindBearer,
  body,
  connect,
  descriptor,
  evilEach,
  giving,
  honest,
  repository,
  secretsOf
} from "./setup.js"
import type { Evil, Options } from "./setup.js"

const errorOf = (exit: Exit.Exit<unknown, unknown>) => Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined

/** A registry behind a password or a token, and somebody else on another host. */
const world = (
  evil: Evil,
  script: (other: URL) => EvilRegistry.Script,
  kind: "password" | "token" = "password",
  elsewhere: EvilRegistry.Script = () => ({ status: 201, headers: { location: "/there" } })
) =>
  Effect.gen(function*() {
    const password = evil.secret()
    const other = yield* evil.site({ host: "evil.example", tls: true }, elsewhere)
    const inner = script(new URL(other.origin))
    const server = yield* evil.site({ host: "auth.registry.example", tls: true }, giving("token"))
    const home = yield* evil.site(
      { host: "registry.example", tls: true },
      kind === "password"
        ? behindBasic(password, inner)
        : behindBearer(`Bearer realm="${server.origin}/token",service="registry"`, ["token"], inner)
    )
    evil.belongs(password, kind === "password" ? home : server)
    return { password, other, home }
  })

describe("an upload elsewhere gets the content, and nobody's credentials", () => {
  const locations: ReadonlyArray<readonly [name: string, location: (other: URL) => string]> = [
    ["a URL", (other) => `${other.origin}/upload?state=1`],
    ["a URL without its scheme", (other) => `//${other.host}/upload`],
    ["a URL with a user", (other) => `https://alice:x@${other.host}/upload`]
  ]
  const asks: ReadonlyArray<Options> = [{}, { singlePost: true }, { chunkSize: 5 }]
  const kinds = ["password", "token"] as const
  evilEach(
    locations.flatMap(([name, location]) =>
      kinds.flatMap((kind) => asks.map((options) => ({ name, location, kind, options })))
    ),
    ({ kind, name, options }) => `${name}, of a registry behind a ${kind}, with ${JSON.stringify(options)}`,
    ({ kind, location, options }, evil) =>
      Effect.gen(function*() {
        const upload: EvilRegistry.Script = ({ method }) =>
          method === "PATCH"
            ? { status: 202, headers: { location: "/upload" } }
            : { status: 201, headers: { location: "/x" } }
        const { home, other, password } = yield* world(
          evil,
          (other) => (asked, count) =>
            asked.method === "POST" ? { status: 202, headers: { location: location(other) } } : honest(asked, count),
          kind,
          upload
        )
        const registry = yield* connect(evil, home, { credentials: alice(home, password), ...options })
        const exit = yield* evil.ask(registry.pushBlob(repository, descriptor, body))
        expect(Exit.isSuccess(exit)).toBe(true)
        expect(other.asked.map(({ body }) => body).join("")).toBe("hello, world")
        expect(secretsOf(other)).toEqual([])
      })
  )
})

describe("an upload elsewhere that asks for credentials gets none", () => {
  const challenges = [`Basic realm="x"`, `Bearer realm="https://evil.example/token"`, `Bearer realm="/token"`, ""]
  evilEach(
    challenges,
    (challenge) => `by ${challenge === "" ? "nothing but the status" : challenge}`,
    (challenge, evil) =>
      Effect.gen(function*() {
        const { home, other, password } = yield* world(
          evil,
          (other) => (asked, count) =>
            asked.method === "POST"
              ? { status: 202, headers: { location: `${other.origin}/upload` } }
              : honest(asked, count),
          "password",
          () => ({ status: 401, headers: challenge === "" ? {} : { "www-authenticate": challenge } })
        )
        const registry = yield* connect(evil, home, { credentials: alice(home, password) })
        expect(RegistryError.isRegistryError(errorOf(yield* evil.ask(registry.pushBlob(repository, descriptor, body)))))
          .toBe(
            true
          )
        expect(secretsOf(other)).toEqual([])
      })
  )
})

describe("an upload is not sent", () => {
  const refused: ReadonlyArray<
    readonly [
      name: string,
      location: (other: URL) => string,
      options: Options,
      tag: RegistryError.RegistryError["_tag"]
    ]
  > = [
    [
      "to another host where that is refused",
      (other) => `${other.origin}/upload`,
      { foreignUploads: false },
      "Refused"
    ],
    [
      "to another port where that is refused",
      () => "https://registry.example:1/upload",
      { foreignUploads: false },
      "Refused"
    ],
    ["to http", (other) => `http://${other.host}/upload`, {}, "ResponseInvalid"],
    ["to the registry itself on http", () => "http://registry.example/upload", {}, "ResponseInvalid"],
    ["to a file", () => "file:///etc/passwd", {}, "ResponseInvalid"],
    ["to no URL", () => "https://[", {}, "ResponseInvalid"],
    ["to nowhere", () => "", {}, "ResponseInvalid"]
  ]
  evilEach(refused, ([name]) => name, ([, location, options, tag], evil) =>
    Effect.gen(function*() {
      const { home, other, password } = yield* world(evil, (other) => (asked, count) =>
        asked.method === "POST" ? { status: 202, headers: { location: location(other) } } : honest(asked, count))
      const registry = yield* connect(evil, home, { credentials: alice(home, password), ...options })
      const error = errorOf(yield* evil.ask(registry.pushBlob(repository, descriptor, body)))
      expect(RegistryError.isRegistryError(error) && [tag, "BlobUploadInvalid"]).toContain(
        (error as { _tag: string })._tag
      )
      expect(other.asked).toEqual([])
    }))
})

describe("a list goes on nowhere else", () => {
  const links: ReadonlyArray<readonly [name: string, link: (other: URL, home: string) => string]> = [
    ["on another host", (other) => `${other.origin}/v2/team/app/tags/list?last=v1`],
    ["on another host, without its scheme", (other) => `//${other.host}/v2/team/app/tags/list?last=v1`],
    [
      "on another host, behind the registry's name",
      (other, home) => `https://${home}@${other.host}/v2/team/app/tags/list`
    ],
    ["on another port", () => "https://registry.example:1/v2/team/app/tags/list?last=v1"],
    ["on http", (_, home) => `http://${home}/v2/team/app/tags/list?last=v1`],
    ["in another list", () => "/v2/other/app/tags/list?last=v1"],
    ["in the catalog", () => "/v2/_catalog?last=v1"],
    ["out of its path", () => "/v2/team/app/tags/list/../../../../secret?last=v1"],
    ["outside of the API", () => "/admin?last=v1"],
    ["in a file", () => "file:///etc/passwd"],
    ["to no URL", () => "https://["]
  ]
  evilEach(links, ([name]) => name, ([, link], evil) =>
    Effect.gen(function*() {
      const { home, other, password } = yield* world(evil, (other) => ({ headers }) => ({
        status: 200,
        headers: {
          link: `<${link(other, headers.find(([name]) => name === "host")?.[1] ?? "")}>; rel="next"`,
          "content-type": "application/json"
        },
        body: `{"tags":["v1"]}`
      }))
      const registry = yield* connect(evil, home, { credentials: alice(home, password) })
      const error = errorOf(yield* evil.ask(Stream.runDrain(registry.listTags(repository))))
      expect(error).toMatchObject({ _tag: "ResponseInvalid", operation: "ListTags" })
      expect(other.asked).toEqual([])
      expect(home.lines().every((line) => line.startsWith("GET /v2/team/app/tags/list"))).toBe(true)
    }))
})

describe("a list without an end comes to one", () => {
  const pages: ReadonlyArray<readonly [name: string, link: (count: number) => string, most: number]> = [
    ["that goes on to itself", () => "/v2/team/app/tags/list?n=1000", 2],
    ["that goes on in a circle", (count) => `/v2/team/app/tags/list?last=${count % 2}`, 5],
    ["that always goes on", (count) => `/v2/team/app/tags/list?last=${count}`, 25],
    ["whose links grow", (count) => `/v2/team/app/tags/list?last=${"a".repeat(count * 100)}`, 25]
  ]
  evilEach(pages, ([name]) => name, ([, link, most], evil) =>
    Effect.gen(function*() {
      const { home, password } = yield* world(evil, () => (_, count) => ({
        status: 200,
        headers: { link: `<${link(count)}>; rel="next"`, "content-type": "application/json" },
        body: `{"tags":["v${count}"]}`
      }))
      const registry = yield* connect(evil, home, { credentials: alice(home, password), maxPages: 20 })
      const error = errorOf(yield* evil.ask(Stream.runDrain(registry.listTags(repository))))
      expect(error).toMatchObject({ _tag: "ResponseInvalid" })
      expect(home.asked.length).toBeLessThanOrEqual(most)
    }))
})
