/** Uploads and lists that continue on another host: CVE-2026-50151, CVE-2026-85732. */
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
  honest,
  repository,
  secretsOf,
  tokenServer
} from "./setup.js"
import type { Evil, Options } from "./setup.js"

const errorOf = (exit: Exit.Exit<unknown, unknown>) => Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined

/** Creates a registry that requires a password or a token, and a site on another host. */
const twoHosts = (
  evil: Evil,
  script: (other: URL) => EvilRegistry.Script,
  kind: "password" | "token" = "password",
  elsewhere: EvilRegistry.Script = () => ({ status: 201, headers: { location: "/there" } })
) =>
  Effect.gen(function*() {
    const password = evil.secret()
    const other = yield* evil.site({ host: "evil.example", tls: true }, elsewhere)
    const inner = script(new URL(other.origin))
    const server = yield* evil.site({ host: "auth.registry.example", tls: true }, tokenServer("token"))
    const home = yield* evil.site(
      { host: "registry.example", tls: true },
      kind === "password"
        ? behindBasic(password, inner)
        : behindBearer(`Bearer realm="${server.origin}/token",service="registry"`, ["token"], inner)
    )
    evil.belongs(password, kind === "password" ? home : server)
    return { password, other, home }
  })

describe("an upload on another host receives the content without credentials", () => {
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
    ({ kind, name, options }) => `${name}; the registry requires a ${kind}; options ${JSON.stringify(options)}`,
    ({ kind, location, options }, evil) =>
      Effect.gen(function*() {
        const upload: EvilRegistry.Script = ({ method }) =>
          method === "PATCH"
            ? { status: 202, headers: { location: "/upload" } }
            : { status: 201, headers: { location: "/x" } }
        const { home, other, password } = yield* twoHosts(
          evil,
          (other) => (request, count) =>
            request.method === "POST"
              ? { status: 202, headers: { location: location(other) } }
              : honest(request, count),
          kind,
          upload
        )
        const registry = yield* connect(evil, home, { credentials: alice(home, password), ...options })
        const exit = yield* evil.run(registry.pushBlob(repository, descriptor, body))
        expect(Exit.isSuccess(exit)).toBe(true)
        expect(other.requests.map(({ body }) => body).join("")).toBe("hello, world")
        expect(secretsOf(other)).toEqual([])
      })
  )
})

describe("an upload on another host that requires credentials does not receive them", () => {
  const challenges = [`Basic realm="x"`, `Bearer realm="https://evil.example/token"`, `Bearer realm="/token"`, ""]
  evilEach(
    challenges,
    (challenge) => challenge === "" ? "401 without a challenge" : challenge,
    (challenge, evil) =>
      Effect.gen(function*() {
        const { home, other, password } = yield* twoHosts(
          evil,
          (other) => (request, count) =>
            request.method === "POST"
              ? { status: 202, headers: { location: `${other.origin}/upload` } }
              : honest(request, count),
          "password",
          () => ({ status: 401, headers: challenge === "" ? {} : { "www-authenticate": challenge } })
        )
        const registry = yield* connect(evil, home, { credentials: alice(home, password) })
        expect(RegistryError.isRegistryError(errorOf(yield* evil.run(registry.pushBlob(repository, descriptor, body)))))
          .toBe(
            true
          )
        expect(secretsOf(other)).toEqual([])
      })
  )
})

describe("a client does not send an upload", () => {
  const refused: ReadonlyArray<
    readonly [
      name: string,
      location: (other: URL) => string,
      options: Options,
      tag: RegistryError.RegistryError["_tag"]
    ]
  > = [
    [
      "to another host if the options forbid it",
      (other) => `${other.origin}/upload`,
      { foreignUploads: false },
      "OciRefused"
    ],
    [
      "to another port if the options forbid it",
      () => "https://registry.example:1/upload",
      { foreignUploads: false },
      "OciRefused"
    ],
    ["to another host over http", (other) => `http://${other.host}/upload`, {}, "OciResponseInvalid"],
    ["to the registry over http", () => "http://registry.example/upload", {}, "OciResponseInvalid"],
    ["to a file URL", () => "file:///etc/passwd", {}, "OciResponseInvalid"],
    ["to an invalid URL", () => "https://[", {}, "OciResponseInvalid"],
    ["to an empty Location", () => "", {}, "OciResponseInvalid"]
  ]
  evilEach(refused, ([name]) => name, ([, location, options, tag], evil) =>
    Effect.gen(function*() {
      const { home, other, password } = yield* twoHosts(evil, (other) => (request, count) =>
        request.method === "POST" ? { status: 202, headers: { location: location(other) } } : honest(request, count))
      const registry = yield* connect(evil, home, { credentials: alice(home, password), ...options })
      const error = errorOf(yield* evil.run(registry.pushBlob(repository, descriptor, body)))
      expect(RegistryError.isRegistryError(error) && [tag, "OciBlobUploadInvalid"]).toContain(
        (error as { _tag: string })._tag
      )
      expect(other.requests).toEqual([])
    }))
})

describe("a list does not continue", () => {
  const links: ReadonlyArray<readonly [name: string, link: (other: URL, home: string) => string]> = [
    ["on another host", (other) => `${other.origin}/v2/team/app/tags/list?last=v1`],
    ["on another host, without its scheme", (other) => `//${other.host}/v2/team/app/tags/list?last=v1`],
    [
      "on another host, with the registry's name as the user of the URL",
      (other, home) => `https://${home}@${other.host}/v2/team/app/tags/list`
    ],
    ["on another port", () => "https://registry.example:1/v2/team/app/tags/list?last=v1"],
    ["over http", (_, home) => `http://${home}/v2/team/app/tags/list?last=v1`],
    ["with the list of another repository", () => "/v2/other/app/tags/list?last=v1"],
    ["with the catalog", () => "/v2/_catalog?last=v1"],
    ["at a path with ..", () => "/v2/team/app/tags/list/../../../../secret?last=v1"],
    ["outside the API", () => "/admin?last=v1"],
    ["in a file URL", () => "file:///etc/passwd"],
    ["at an invalid URL", () => "https://["]
  ]
  evilEach(links, ([name]) => name, ([, link], evil) =>
    Effect.gen(function*() {
      const { home, other, password } = yield* twoHosts(evil, (other) => ({ headers }) => ({
        status: 200,
        headers: {
          link: `<${link(other, headers.find(([name]) => name === "host")?.[1] ?? "")}>; rel="next"`,
          "content-type": "application/json"
        },
        body: `{"tags":["v1"]}`
      }))
      const registry = yield* connect(evil, home, { credentials: alice(home, password) })
      const error = errorOf(yield* evil.run(Stream.runDrain(registry.listTags(repository))))
      expect(error).toMatchObject({ _tag: "OciResponseInvalid", operation: "ListTags" })
      expect(other.requests).toEqual([])
      expect(home.lines().every((line) => line.startsWith("GET /v2/team/app/tags/list"))).toBe(true)
    }))
})

describe("a list that never ends fails or stops", () => {
  const pages: ReadonlyArray<readonly [name: string, link: (count: number) => string, most: number]> = [
    ["if a page links to itself", () => "/v2/team/app/tags/list?n=1000", 2],
    ["if the pages form a cycle", (count) => `/v2/team/app/tags/list?last=${count % 2}`, 5],
    ["if every page links to a new one", (count) => `/v2/team/app/tags/list?last=${count}`, 25],
    ["if the links grow", (count) => `/v2/team/app/tags/list?last=${"a".repeat(count * 100)}`, 25]
  ]
  evilEach(pages, ([name]) => name, ([, link, most], evil) =>
    Effect.gen(function*() {
      const { home, password } = yield* twoHosts(evil, () => (_, count) => ({
        status: 200,
        headers: { link: `<${link(count)}>; rel="next"`, "content-type": "application/json" },
        body: `{"tags":["v${count}"]}`
      }))
      const registry = yield* connect(evil, home, { credentials: alice(home, password), maxPages: 20 })
      const error = errorOf(yield* evil.run(Stream.runDrain(registry.listTags(repository))))
      expect(error).toMatchObject({ _tag: "OciResponseInvalid" })
      expect(home.requests.length).toBeLessThanOrEqual(most)
    }))
})
