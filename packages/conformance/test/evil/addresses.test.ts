/** Registries that lead a client to what only it can reach: CVE-2026-33990. */
import { RegistryError } from "@effect-oci/core"
import { describe, expect } from "@effect/vitest"
import { Cause, Effect, Exit, Stream } from "effect"
import type * as EvilRegistry from "../../src/EvilRegistry.js"
import {
  alice,
  behindBasic,
  body,
  connect,
  descriptor,
  evil,
  evilEach,
  honest,
  repository,
  secretsOf,
  tag
} from "./setup.js"
import type { Evil, Site } from "./setup.js"

/** How a registry leads somewhere. */
const ways = {
  redirect: (to) => () => ({ status: 307, headers: { location: `${to}/v2/team/app/manifests/v1` } }),
  location: (to) => (asked, count) =>
    asked.method === "POST" ? { status: 202, headers: { location: `${to}/upload` } } : honest(asked, count),
  link: (to) => (asked, count) =>
    asked.target.includes("/tags/list")
      ? {
        status: 200,
        headers: { link: `<${to}/v2/team/app/tags/list?n=1&last=v1>; rel="next"`, "content-type": "application/json" },
        body: `{"tags":["v1"]}`
      }
      : honest(asked, count),
  realm: (to) => () => ({
    status: 401,
    headers: { "www-authenticate": `Bearer realm="${to}/token",service="registry"` }
  })
} satisfies { readonly [way: string]: (to: string) => EvilRegistry.Script }

type Way = keyof typeof ways

const operate = (way: Way, registry: Effect.Effect.Success<ReturnType<typeof connect>>) =>
  way === "location"
    ? Effect.asVoid(registry.pushBlob(repository, descriptor, body))
    : way === "link"
    ? Stream.runDrain(registry.listTags(repository))
    : Effect.asVoid(registry.getManifest(repository, tag))

/** A registry that leads its client somewhere, which only may be where nothing else is said. */
const lead = (
  evil: Evil,
  way: Way,
  to: (home: Site) => string,
  options: Parameters<typeof connect>[2] = { allowPrivate: false }
) =>
  Effect.gen(function*() {
    // A realm is not told who asks before it is known to be trusted.
    const password = evil.secret(way === "realm" ? { unsent: "the realm is refused" } : undefined)
    let target = ""
    const script: EvilRegistry.Script = (asked, count) => ways[way](target)(asked, count)
    const home = yield* evil.site(
      { host: "registry.example", tls: true },
      way === "realm" ? script : behindBasic(password, script)
    )
    target = to(home)
    evil.belongs(password, home)
    const registry = yield* connect(evil, home, { credentials: alice(home, password), ...options })
    return yield* evil.ask(operate(way, registry))
  })

const errorOf = (exit: Exit.Exit<unknown, unknown>) => Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined

const refusals: { readonly [way in Way]: ReadonlyArray<RegistryError.RegistryError["_tag"]> } = {
  redirect: ["Refused"],
  location: ["Refused"],
  // A list goes on nowhere else, whatever the address.
  link: ["ResponseInvalid"],
  // Credentials go to no other domain in the first place.
  realm: ["RealmRefused", "Refused"]
}

const spellings = [
  "127.0.0.1",
  "127.1",
  "2130706433",
  "0x7f000001",
  "0177.0.0.1",
  "127.0.0.1.",
  "%31%32%37.0.0.1",
  "%EF%BC%91%EF%BC%92%EF%BC%97.0.0.1",
  "localhost",
  "a.localhost",
  "LOCALHOST.",
  "0.0.0.0",
  "0",
  "[::]",
  "[::1]",
  "[::127.0.0.1]",
  "[::ffff:127.0.0.1]",
  "[::ffff:7f00:1]",
  "[::ffff:0:7f00:1]",
  "[64:ff9b::127.0.0.1]",
  "[2002:7f00:1::1]",
  "10.0.0.1",
  "172.16.0.1",
  "192.168.0.1",
  "100.64.0.1",
  "169.254.169.254",
  "0xa9fea9fe",
  "[::ffff:169.254.169.254]",
  "[fe80::1]",
  "[fd00:ec2::254]",
  "224.0.0.1",
  "255.255.255.255"
]

describe("an address of this machine, or of a private network, is not asked", () => {
  evilEach(
    spellings.map((host, index) => ({ host, way: (["redirect", "location", "realm", "link"] as const)[index % 4]! })),
    ({ host, way }) => `${host}, by ${way}`,
    ({ host, way }, evil) =>
      Effect.gen(function*() {
        // What listens on this machine, at whatever address, hears nothing.
        const inside = yield* evil.site({ host: "localhost", tls: true }, honest)
        const error = errorOf(yield* lead(evil, way, () => `https://${host}:${inside.port}`))
        expect(RegistryError.isRegistryError(error) && refusals[way].includes(error._tag)).toBe(true)
        expect(inside.connections()).toBe(0)
        expect(inside.asked).toEqual([])
      })
  )

  evilEach(
    ["redirect", "location", "realm"] as const,
    (way) => `the metadata of a cloud, by ${way}, nor on http`,
    (way, evil) =>
      Effect.gen(function*() {
        const error = errorOf(yield* lead(evil, way, () => "http://169.254.169.254"))
        expect(RegistryError.isRegistryError(error)).toBe(true)
      })
  )
})

describe("a name of such an address is not asked", () => {
  const names: ReadonlyArray<readonly [name: string, answers: ReadonlyArray<ReadonlyArray<string>>]> = [
    ["of a loopback address", [["127.0.0.1"]]],
    ["of the metadata of a cloud", [["169.254.169.254"]]],
    ["of a private address", [["10.1.2.3"]]],
    ["of an address of IPv6 that is one of IPv4", [["::ffff:127.0.0.1"]]],
    ["of several of them", [["169.254.169.254", "127.0.0.1", "::1"]]],
    ["that is one the next time", [["fe80::1"], ["127.0.0.1"]]]
  ]
  evilEach(
    names.flatMap(([name, answers]) => (["redirect", "location"] as const).map((way) => ({ name, answers, way }))),
    ({ name, way }) => `${name}, by ${way}`,
    ({ answers, way }, evil) =>
      Effect.gen(function*() {
        const inside = yield* evil.site({ host: "evil.example", tls: true }, honest)
        evil.resolvesTo("evil.example", ...answers)
        const error = errorOf(yield* lead(evil, way, () => inside.origin))
        expect(error).toMatchObject({ _tag: "Refused", by: "NodeAddressGuard" })
        expect(inside.connections()).toBe(0)
      })
  )

  evil("again, once it has another: each connection is looked at", (evil) =>
    Effect.gen(function*() {
      const password = evil.secret()
      const cdn = yield* evil.site({ host: "cdn.example" }, (asked, count) => ({
        ...honest({ ...asked, target: "/v2/team/app/manifests/v1" }, count),
        headers: { connection: "close", "content-type": "application/vnd.oci.image.manifest.v1+json" }
      }))
      const home = yield* evil.site(
        { host: "registry.example" },
        behindBasic(password, () => ({ status: 307, headers: { location: `${cdn.origin}/` } }))
      )
      evil.belongs(password, home)
      const options = { credentials: alice(home, password), allowPrivate: false }
      // First it may be asked, since it is named; then the name is all that is left of that.
      const trusting = yield* connect(evil, home, { ...options, allowPrivate: ["cdn.example"] })
      expect(Exit.isSuccess(yield* evil.ask(trusting.getManifest(repository, tag)))).toBe(true)
      const other = yield* connect(evil, home, options)
      expect(errorOf(yield* evil.ask(other.getManifest(repository, tag)))).toMatchObject({ _tag: "Refused" })
      expect(cdn.asked.length).toBe(1)
      expect(secretsOf(cdn)).toEqual([])
    }))
})

describe("a registry that is there itself", () => {
  evil("is asked, and may lead to others there", (evil) =>
    Effect.gen(function*() {
      const password = evil.secret()
      const beside = yield* evil.site({ host: "127.0.0.1" }, honest)
      const home = yield* evil.site(
        { host: "localhost" },
        behindBasic(password, ({ target }) => ({ status: 307, headers: { location: `${beside.origin}${target}` } }))
      )
      evil.belongs(password, home)
      const registry = yield* connect(evil, home, { credentials: alice(home, password), allowPrivate: false })
      expect(Exit.isSuccess(yield* evil.ask(registry.getManifest(repository, tag)))).toBe(true)
      expect(beside.asked.length).toBe(1)
      expect(secretsOf(beside)).toEqual([])
    }))

  evil("may not lead elsewhere", (evil) =>
    Effect.gen(function*() {
      const password = evil.secret()
      const home = yield* evil.site(
        { host: "localhost" },
        behindBasic(password, () => ({ status: 307, headers: { location: "http://169.254.169.254/latest" } }))
      )
      evil.belongs(password, home)
      const registry = yield* connect(evil, home, { credentials: alice(home, password), allowPrivate: false })
      expect(errorOf(yield* evil.ask(registry.getManifest(repository, tag)))).toMatchObject({ _tag: "Refused" })
    }))
})
